// One step of gradient descent, for values w of a parameter with the gradient g; PyTorch's definitions:
//     sgd      g += decay w;  v = momentum v + (1 - dampening) g (v = g at first);  w -= rate v
//              nesterov:      w -= rate (g + momentum v)
//     adam     g += decay w;  m += (1 - beta1)(g - m);  s = beta2 s + (1 - beta2) g^2
//              w -= rate / (1 - beta1^t) m / (sqrt(s / (1 - beta2^t)) + epsilon)
//     adamw    w -= rate decay w, then as adam without decay
#pragma once

#include <concepts>
#include <cstddef>

#include <quanto/core/config.hpp>
#include <quanto/core/math.hpp>

namespace quanto::inline v0 {

// What a step works on: some values of a parameter, their gradient (which it may overwrite), and as many arrays of that
// size as the method has `states`, zero before the first step. Steps are counted from 1. rate_factor: the schedule's.
struct descent_step {
    float* values;
    float* gradient;
    float* state[2];
    std::size_t size;
    std::size_t count;
    float rate_factor;
};

template <class D>
concept Descent = requires(D const& method, descent_step const& step) {
    { D::states } -> std::convertible_to<std::size_t>;
    requires D::states <= 2;
    { method(step) } -> std::same_as<void>;
};

struct sgd {
    float learning_rate = 0.01f, momentum = 0.0f, dampening = 0.0f, weight_decay = 0.0f;
    bool nesterov = false;

    static constexpr std::size_t states = 1;
    void operator()(descent_step const& s) const noexcept {
        float const rate = learning_rate * s.rate_factor, fresh = s.count == 1 ? 1.0f : 1.0f - dampening;
        float* const v = s.state[0];
        for (std::size_t i = 0; i != s.size; ++i) {
            float g = s.gradient[i] + weight_decay * s.values[i];
            if (momentum != 0.0f) {
                v[i] = momentum * v[i] + fresh * g;
                g = nesterov ? g + momentum * v[i] : v[i];
            }
            s.values[i] -= rate * g;
        }
    }
};

namespace detail {
// y[i] = the root of x[i] >= 0. Four at a time where that is a builtin: compilers keep to one, for the sake of errno.
inline void square_roots(float const* x, std::size_t n, float* y) noexcept {
    std::size_t i = 0;
#if defined(__SSE2__) && defined(__GNUC__)
    typedef float four __attribute__((vector_size(16)));
    for (; i + 4 <= n; i += 4) {
        four v;
        __builtin_memcpy(&v, x + i, sizeof v);
#if __has_builtin(__builtin_elementwise_sqrt)
        v = __builtin_elementwise_sqrt(v);
#else
        v = __builtin_ia32_sqrtps(v);
#endif
        __builtin_memcpy(y + i, &v, sizeof v);
    }
#endif
    for (; i != n; ++i) y[i] = math::sqrt(x[i]);
}

struct adam_rates {
    float learning_rate, beta1, beta2, epsilon;

    void operator()(descent_step const& s) const noexcept {
        double const t = static_cast<double>(s.count);
        double const first = 1.0 - math::pow(static_cast<double>(beta1), t);
        double const second = 1.0 - math::pow(static_cast<double>(beta2), t);
        auto const rate = static_cast<float>(static_cast<double>(learning_rate * s.rate_factor) / first);
        auto const unbias = static_cast<float>(1.0 / math::sqrt(second));
        float const to_m = 1.0f - beta1, keep_v = beta2, to_v = 1.0f - beta2, least = epsilon;  // none is written to
        constexpr std::size_t most = 256;
        float roots[most];
        for (std::size_t done = 0; done != s.size;) {
            std::size_t const n = s.size - done < most ? s.size - done : most;
            float const* const g = s.gradient + done;
            float *const w = s.values + done, *const m = s.state[0] + done, *const v = s.state[1] + done;
            for (std::size_t i = 0; i != n; ++i) {
                m[i] += to_m * (g[i] - m[i]);
                v[i] = keep_v * v[i] + to_v * g[i] * g[i];
            }
            square_roots(v, n, roots);
            for (std::size_t i = 0; i != n; ++i) w[i] -= rate * m[i] / (roots[i] * unbias + least);
            done += n;
        }
    }
};
}  // namespace detail

struct adam {
    float learning_rate = 0.001f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, weight_decay = 0.0f;

    static constexpr std::size_t states = 2;
    void operator()(descent_step const& s) const noexcept {
        if (weight_decay != 0.0f)
            for (std::size_t i = 0; i != s.size; ++i) s.gradient[i] += weight_decay * s.values[i];
        detail::adam_rates{learning_rate, beta1, beta2, epsilon}(s);
    }
};

struct adamw {
    float learning_rate = 0.001f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, weight_decay = 0.01f;

    static constexpr std::size_t states = 2;
    void operator()(descent_step const& s) const noexcept {
        float const kept = 1.0f - learning_rate * s.rate_factor * weight_decay;
        for (std::size_t i = 0; i != s.size; ++i) s.values[i] *= kept;
        detail::adam_rates{learning_rate, beta1, beta2, epsilon}(s);
    }
};

static_assert(Descent<sgd> && Descent<adam> && Descent<adamw>);

}  // namespace quanto::inline v0
