// Slopes of the surrogates: what the backward pass of every neuron takes for the derivative of a spike.
#pragma once
#include "core/simd.hpp"

namespace longspike::LONGSPIKE_ARCH {

// A surrogate's scale `a` and 1 / a.
template <class T> struct Surrogate {
    Vec<T> scale, inverse;
    explicit Surrogate(T a) : scale(splat<T>(a)), inverse(splat<T>(T(1) / a)) {}
};

// Slope of the surrogate at z, the derivative of the primitive in kernels/refractory_lif/surrogates.py.
template <class T, int kKind> inline Vec<T> surrogate_slope(const Surrogate<T>& surrogate, Vec<T> z) {
    const Vec<T> one = splat<T>(1), a = surrogate.scale, inverse = surrogate.inverse;
    if constexpr (kKind == 0) return maximum<T>(Vec<T>{}, one - absolute<T>(z * inverse)) * inverse;  // triangle
    if constexpr (kKind == 1) {                                                                       // fast_sigmoid
        const Vec<T> d = one + a * absolute<T>(z);
        return one / (d * d);
    }
    if constexpr (kKind == 2) {  // atan
        const Vec<T> w = splat<T>(T(1.5707963267948966)) * a * z;
        return splat<T>(T(0.5)) * a / fma(w, w, one);
    }
    if constexpr (kKind == 3) return absolute<T>(z) < splat<T>(T(0.5)) * a ? inverse : Vec<T>{};  // boxcar
    const Vec<T> e = exponential<T>(-absolute<T>(a * z)), d = one + e;                            // sigmoid
    return a * e / (d * d);  // a*p*(1 - p) is even in z, and e <= 1 cannot overflow
}

// The same, of a kind that is not known to the compiler.
template <class T> inline Vec<T> surrogate_slope_of(int kind, const Surrogate<T>& surrogate, Vec<T> z) {
    switch (kind) {
        case 0: return surrogate_slope<T, 0>(surrogate, z);
        case 1: return surrogate_slope<T, 1>(surrogate, z);
        case 2: return surrogate_slope<T, 2>(surrogate, z);
        case 3: return surrogate_slope<T, 3>(surrogate, z);
        default: return surrogate_slope<T, 4>(surrogate, z);
    }
}

}  // namespace longspike::LONGSPIKE_ARCH
