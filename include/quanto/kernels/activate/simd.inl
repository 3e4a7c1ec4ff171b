// Activation functions of a run of floats, in place; once per instruction set (each_target.inl).

template <fused_activation F>
inline void activate(float* v, std::size_t n) noexcept {
    constexpr std::size_t per_step = 16;
    for (; n >= per_step; v += per_step, n -= per_step) detail::activate<per_step>(F, v);
    if (n == 0) return;
    float rest[per_step] = {};
    __builtin_memcpy(rest, v, n * sizeof(float));
    detail::activate<per_step>(F, rest);
    __builtin_memcpy(v, rest, n * sizeof(float));
}
