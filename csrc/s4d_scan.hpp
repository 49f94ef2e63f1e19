// Diagonal state-space scan: the convolution of S4D computed as its recurrence, with state in and state out. Every vector
// of channels of every sample is one item of work; s4d_block.hpp has the mathematics.
#pragma once
#include <algorithm>

#include "parallel.hpp"
#include "s4d_block_adjoint.hpp"

namespace longspike::LONGSPIKE_ARCH {

template <class T> void s4d_forward_tile(const S4dCall<T>& c, i64 b, i64 first, int lanes) {
    const FlushDenormals flush;
    S4dTile<T> q(c.lambda, c.c, c.d, c.channels, c.n_pairs, first, lanes);
    const i64 blocks = (c.seqlen + kS4dBlock - 1) / kS4dBlock, state_rows = 2 * c.n_pairs;
    T* state = c.state + b * state_rows * c.channels + first;
    q.gather(q.state, state, state_rows, c.channels);
    for (i64 k = 0; k < blocks; ++k) {
        if (c.checkpoints)
            q.scatter(c.checkpoints + (b * blocks + k) * state_rows * c.channels + first, q.state, state_rows, c.channels);
        const i64 at = (b * c.seqlen + k * kS4dBlock) * c.channels + first;
        const int rows = static_cast<int>(std::min(kS4dBlock, c.seqlen - k * kS4dBlock));
        q.gather(q.u, c.u + at, rows, c.channels);
        s4d_block(q, rows);
        q.scatter(c.y + at, q.y, rows, c.channels);
    }
    q.scatter(state, q.state, state_rows, c.channels);
}

template <class T> void s4d_forward(const S4dCall<T>& c) {
    const i64 tiles = (c.channels + kLanes<T> - 1) / kLanes<T>;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 first = item % tiles * kLanes<T>;
        s4d_forward_tile<T>(c, item / tiles, first, static_cast<int>(std::min<i64>(kLanes<T>, c.channels - first)));
    });
}

template <class T> void s4d_backward_tile(const S4dBackward<T>& c, i64 b, i64 first, int lanes) {
    const FlushDenormals flush;
    S4dTile<T> q(c.lambda, c.c, c.d, c.channels, c.n_pairs, first, lanes);
    S4dAdjoint<T> a(c.n_pairs);
    const i64 blocks = (c.seqlen + kS4dBlock - 1) / kS4dBlock, state_rows = 2 * c.n_pairs;
    const i64 at_state = b * state_rows * c.channels + first;
    q.gather(a.flow, c.grad_state + at_state, state_rows, c.channels);
    for (i64 k = blocks - 1; k >= 0; --k) {
        q.gather(q.state, c.checkpoints + (b * blocks + k) * state_rows * c.channels + first, state_rows, c.channels);
        const i64 at = (b * c.seqlen + k * kS4dBlock) * c.channels + first;
        const int rows = static_cast<int>(std::min(kS4dBlock, c.seqlen - k * kS4dBlock));
        q.gather(q.u, c.u + at, rows, c.channels);
        q.gather(q.y, c.grad_y + at, rows, c.channels);
        s4d_block_adjoint(q, a, rows);
        q.scatter(c.grad_u + at, a.u, rows, c.channels);
    }
    q.scatter(c.grad_state + at_state, a.flow, state_rows, c.channels);
    q.scatter(c.grad_lambda + at_state, a.lambda, state_rows, c.channels);
    q.scatter(c.grad_c + at_state, a.c, state_rows, c.channels);
    q.scatter(c.grad_d + b * c.channels + first, a.d, 1, c.channels);
}

template <class T> void s4d_backward(const S4dBackward<T>& c) {
    const i64 tiles = (c.channels + kLanes<T> - 1) / kLanes<T>;
    parallel_for(c.batch * tiles, c.threads, [&](i64 item) {
        const i64 first = item % tiles * kLanes<T>;
        s4d_backward_tile<T>(c, item / tiles, first, static_cast<int>(std::min<i64>(kLanes<T>, c.channels - first)));
    });
}

}  // namespace longspike::LONGSPIKE_ARCH
