// softmax of a run of floats, in place; once per instruction set (each_target.inl). The exponentials are loops over a
// constant number of elements, which compilers make vector code of at every level.

inline void softmax(float* v, std::size_t n) noexcept {
    constexpr std::size_t step = 16;
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    std::size_t const whole = n - n % step;
    float rest[step];
    for (float& x : rest) x = lowest;
    __builtin_memcpy(rest, v + whole, (n - whole) * sizeof(float));
    auto const each = [&](auto const& f) __attribute__((always_inline)) {
        for (std::size_t k = 0; k != whole; k += step) f(v + k);
        f(rest);
    };
    vf most = vf{} + lowest, sum[step / lanes];
    each([&](float const* x) __attribute__((always_inline)) {
        for (std::size_t i = 0; i != step; i += lanes) most = greater(load_f32(x + i), most);
    });
    float const top = largest(most);
    for (vf& s : sum) s = vf{} + 0.0f;
    each([&](float* x) __attribute__((always_inline)) {
        for (std::size_t i = 0; i != step; ++i) x[i] = detail::exp_of_difference(x[i], top);
        for (std::size_t i = 0; i != step; i += lanes) sum[i / lanes] = sum[i / lanes] + load_f32(x + i);
    });
    for (std::size_t i = 1; i != step / lanes; ++i) sum[0] = sum[0] + sum[i];
    vf const total = vf{} + sum_lanes(sum[0]);
    each([&](float* x) __attribute__((always_inline)) {
        for (std::size_t i = 0; i != step; i += lanes) store_f32(load_f32(x + i) / total, x + i);
    });
    __builtin_memcpy(v + whole, rest, (n - whole) * sizeof(float));
}
