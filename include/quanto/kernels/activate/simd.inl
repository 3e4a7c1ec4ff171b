// Activation functions of a run of floats, in place; once per instruction set (each_target.inl).

template <fused_activation F>
inline void activate(float* v, std::size_t n) noexcept {
    constexpr std::size_t block = 16;
    for (; n >= block; v += block, n -= block) detail::activate<block>(F, v);
    if (n == 0) return;
    float rest[block] = {};
    __builtin_memcpy(rest, v, n * sizeof(float));
    detail::activate<block>(F, rest);
    __builtin_memcpy(v, rest, n * sizeof(float));
}
