// One vector type per scalar type and instruction set. Every operation is written out (mul, add, fma), and the
// compiler may not contract (-ffp-contract=off), so a formula rounds the same way wherever it is inlined.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define LONGSPIKE_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define LONGSPIKE_VECTOR_BYTES 32
#else
#define LONGSPIKE_VECTOR_BYTES 16
#endif

namespace longspike::LONGSPIKE_ARCH {

using i64 = std::int64_t;

template <class T> struct Lanes;
template <> struct Lanes<float> {
    typedef float V __attribute__((vector_size(LONGSPIKE_VECTOR_BYTES)));
    typedef std::int32_t I __attribute__((vector_size(LONGSPIKE_VECTOR_BYTES)));
};
template <> struct Lanes<double> {
    typedef double V __attribute__((vector_size(LONGSPIKE_VECTOR_BYTES)));
    typedef std::int64_t I __attribute__((vector_size(LONGSPIKE_VECTOR_BYTES)));
};
template <class T> using Vec = typename Lanes<T>::V;
template <class T> constexpr int kLanes = LONGSPIKE_VECTOR_BYTES / sizeof(T);

// The outcome of a comparison, lane by lane. A type of its own, because a chain of dependent steps is only as fast as the
// shortest way from a comparison to the choice that it makes.
#if defined(__AVX512F__)
template <class T> using Mask = std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>;
inline __mmask16 greater(Vec<float> a, Vec<float> b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
inline __mmask8 greater(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
inline Vec<float> select(__mmask16 m, Vec<float> a, Vec<float> b) { return _mm512_mask_blend_ps(m, b, a); }
inline Vec<double> select(__mmask8 m, Vec<double> a, Vec<double> b) { return _mm512_mask_blend_pd(m, b, a); }
#else
template <class T> using Mask = typename Lanes<T>::I;
inline Mask<float> greater(Vec<float> a, Vec<float> b) { return a > b; }
inline Mask<double> greater(Vec<double> a, Vec<double> b) { return a > b; }
inline Vec<float> select(Mask<float> m, Vec<float> a, Vec<float> b) { return m ? a : b; }
inline Vec<double> select(Mask<double> m, Vec<double> a, Vec<double> b) { return m ? a : b; }
#endif

template <class T> inline Vec<T> splat(T x) { return x - Vec<T>{}; }
template <class T> inline Vec<T> load(const T* p) {
    Vec<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T> inline void store(T* p, Vec<T> v) { std::memcpy(p, &v, sizeof v); }

// The first n lanes, 0 < n <= kLanes<T>; the others are zero and are not touched in memory.
template <class T> inline Vec<T> load_first(const T* p, int n) {
    if (n == kLanes<T>) return load<T>(p);
#if defined(__AVX512F__)
    const auto some = static_cast<Mask<T>>((1u << n) - 1);
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_loadu_ps(some, p);
    else
        return _mm512_maskz_loadu_pd(some, p);
#else
    Vec<T> v{};
    std::memcpy(&v, p, n * sizeof(T));
    return v;
#endif
}
template <class T> inline void store_first(T* p, Vec<T> v, int n) {
    if (n == kLanes<T>) return store<T>(p, v);
#if defined(__AVX512F__)
    const auto some = static_cast<Mask<T>>((1u << n) - 1);
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, some, v);
    else
        _mm512_mask_storeu_pd(p, some, v);
#else
    for (int k = 0; k < n; ++k) p[k] = v[k];
#endif
}

// Fetches n numbers into the second cache, line by line.
template <class T> inline void fetch_row(const T* x, i64 n) {
    for (i64 j = 0; j < n; j += 64 / static_cast<i64>(sizeof(T))) __builtin_prefetch(x + j, 0, 2);
}

// Calls body(j, lanes) for the vectors of a row of n numbers; `lanes` is a constant for whole ones.
template <class T, class F> [[gnu::always_inline]] inline void for_vectors(i64 n, const F& body) {
    i64 j = 0;
    for (; j + kLanes<T> <= n; j += kLanes<T>) body(j, std::integral_constant<int, kLanes<T>>());
    if (j < n) body(j, static_cast<int>(n - j));
}

// A store that goes around the caches; p is aligned to the vector's size.
template <class T> inline void store_streaming(T* p, Vec<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(v));
#else
    store<T>(p, v);
#endif
}
inline void fence_streaming() {
#if defined(__AVX512F__) || defined(__AVX2__)
    _mm_sfence();
#endif
}

// While it lives, results below the smallest normal number become zero. Decaying adjoints and states sink there, where
// every operation costs a hundred times more. So does a neuron's refractory trace while it is silent, by every compiled
// route alike; a spike is never decided by such numbers unless the threshold itself is as small.
struct FlushDenormals {
#if defined(__AVX512F__) || defined(__AVX2__)
    unsigned before = _mm_getcsr();
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#else
    FlushDenormals() {}
#endif
    FlushDenormals(const FlushDenormals&) = delete;
};

// a * b + c with one rounding where the machine has it; V is a Vec.
template <class V> inline V fma(V a, V b, V c) {
    [[maybe_unused]] constexpr bool single = sizeof(a[0]) == 4;
#if defined(__AVX512F__)
    if constexpr (single)
        return _mm512_fmadd_ps(a, b, c);
    else
        return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
    if constexpr (single)
        return _mm256_fmadd_ps(a, b, c);
    else
        return _mm256_fmadd_pd(a, b, c);
#elif defined(__ARM_NEON)
    if constexpr (single)
        return vfmaq_f32(c, a, b);
    else
        return vfmaq_f64(c, a, b);
#else
    return a * b + c;
#endif
}

// c - a * b, rounded as fma(-a, b, c): no register holds -a.
template <class V> inline V fnma(V a, V b, V c) {
    [[maybe_unused]] constexpr bool single = sizeof(a[0]) == 4;
#if defined(__AVX512F__)
    if constexpr (single)
        return _mm512_fnmadd_ps(a, b, c);
    else
        return _mm512_fnmadd_pd(a, b, c);
#elif defined(__AVX2__)
    if constexpr (single)
        return _mm256_fnmadd_ps(a, b, c);
    else
        return _mm256_fnmadd_pd(a, b, c);
#else
    return fma(-a, b, c);
#endif
}

// The larger and the smaller; of equal numbers, and of numbers that do not compare, the second. (The compiler would warn of
// the intrinsics without a mask.)
template <class T> inline Vec<T> maximum(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_max_ps(0xffff, a, b);
    else
        return _mm512_maskz_max_pd(0xff, a, b);
#else
    return a > b ? a : b;
#endif
}
template <class T> inline Vec<T> minimum(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_min_ps(0xffff, a, b);
    else
        return _mm512_maskz_min_pd(0xff, a, b);
#else
    return a < b ? a : b;
#endif
}
template <class T> inline Vec<T> absolute(Vec<T> a) { return maximum<T>(a, -a); }

// exp(x) to two units in the last place; x is clamped to the finite range, and NaN stays NaN.
template <class T> inline Vec<T> exponential(Vec<T> x) {
    constexpr bool single = sizeof(T) == 4;
    constexpr T limit = single ? T(87.0) : T(708.0);
    constexpr T magic = single ? T(12582912.0) : T(6755399441055744.0);  // 1.5 * 2^(mantissa bits)
    const T ln2_high = single ? T(0.693359375) : T(6.93145751953125e-1);
    const T ln2_low = single ? T(-2.12194440e-4) : T(1.42860682030941723212e-6);
    x = minimum<T>(splat<T>(limit), maximum<T>(splat<T>(-limit), x));  // of a NaN these give the second
    const Vec<T> n = fma(x, splat<T>(T(1.4426950408889634)), splat<T>(magic)) - splat<T>(magic);
    const Vec<T> r = fma(n, splat<T>(-ln2_low), fma(n, splat<T>(-ln2_high), x));
    constexpr int degree = single ? 7 : 13;
    T reciprocal = 1;
    for (int k = 2; k <= degree; ++k) reciprocal /= k;
    Vec<T> sum = splat<T>(reciprocal);  // Horner's rule on the Taylor series; |r| <= ln(2) / 2
    for (int k = degree; k >= 1; --k) {
        reciprocal *= k;
        sum = fma(sum, r, splat<T>(reciprocal));
    }
    using I = typename Lanes<T>::I;
    const I exponent = __builtin_convertvector(n, I) + (single ? 127 : 1023);
    const I bits = exponent << (single ? 23 : 52);
    Vec<T> scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

}  // namespace longspike::LONGSPIKE_ARCH
