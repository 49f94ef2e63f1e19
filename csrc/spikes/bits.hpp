// Which entries of a row are not zero: as bits, 64 to a word, and as a list of indices in ascending order.
#pragma once
#include <cstdint>

#include "core/kernels.hpp"
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

// Bit k is set where lane k is not zero; NaN is not zero.
template <class T> inline std::uint64_t nonzero_lanes(Vec<T> x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    else
        return _mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_NEQ_UQ);
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ));
    else
        return _mm256_movemask_pd(_mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_NEQ_UQ));
#else
    std::uint64_t bits = 0;
    for (int k = 0; k < kLanes<T>; ++k) bits |= std::uint64_t(x[k] != T(0)) << k;
    return bits;
#endif
}

constexpr i64 words_of(i64 channels) { return (channels + 63) / 64; }

// words[k / 64] bit k % 64 = (x[k] != 0) for k < n; the bits behind n are zero.
template <class T> inline void pack_row(const T* x, i64 n, std::uint64_t* words) {
    for (i64 w = 0; w < words_of(n); ++w) {
        std::uint64_t word = 0;
        for (i64 j = w * 64; j < n && j < (w + 1) * 64; j += kLanes<T>)
            word |= nonzero_lanes<T>(load_first<T>(x + j, static_cast<int>(n - j < kLanes<T> ? n - j : kLanes<T>))) << (j % 64);
        words[w] = word;
    }
}

constexpr i64 kListRoom = 16;  // numbers behind the last one of a list that may be written too

// The set bits of `words`; returns how many. Where the machine can, without a branch that depends on them: each row has others.
inline i64 list_bits(const std::uint64_t* words, i64 n_words, std::int32_t* index) {
    i64 count = 0;
#if defined(__AVX512F__)
    const __m512i each = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (i64 w = 0; w < n_words; ++w)
        for (int k = 0; k < 64; k += 16) {
            const auto bits = static_cast<__mmask16>(words[w] >> k);
            const __m512i here = _mm512_add_epi32(each, _mm512_set1_epi32(static_cast<int>(w * 64 + k)));
            _mm512_storeu_si512(index + count, _mm512_maskz_compress_epi32(bits, here));
            count += __builtin_popcount(bits);
        }
#else
    for (i64 w = 0; w < n_words; ++w)
        for (std::uint64_t bits = words[w]; bits; bits &= bits - 1)
            index[count++] = static_cast<std::int32_t>(w * 64 + __builtin_ctzll(bits));
#endif
    return count;
}

// m[i] bit k becomes m[k] bit i: blocks of 32, 16, .. 1 bits change places across the diagonal.
inline void transpose_bits(std::uint64_t (&m)[64]) {
    std::uint64_t mask = ~std::uint64_t(0) >> 32;
    for (int j = 32; j > 0; j /= 2, mask ^= mask << j)
        for (int first = 0; first < 64; first += 2 * j)
            for (int k = first; k < first + j; ++k) {
                const std::uint64_t change = ((m[k] >> j) ^ m[k + j]) & mask;
                m[k] ^= change << j, m[k + j] ^= change;
            }
}

}  // namespace longspike::LONGSPIKE_ARCH
