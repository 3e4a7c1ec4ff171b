// One row of float x, in three digits, times panels of 2 or 4 bits, included by avx512vnni.hpp: what multiply_tile
// computes for M = 1, bit for bit. How far ahead a core asks memory for lines of w is what its reorder buffer holds of
// this loop, some 30 lines at 10 instructions each: so there are few beside the dot products. And x, which w passing
// through takes out of the level 1 cache (12 KiB of digits for K = 4096), is fetched a block ahead: its misses would hold
// up all lines behind. Prefetching w does not help: a core drops that while its miss buffers are full.

// x of a block, `bytes` of it, into the level 1 cache.
QUANTO_INLINE void fetch(std::byte const* x, std::size_t bytes) noexcept {
#pragma GCC unroll 2
    for (std::size_t i = 0; i < bytes; i += 64) _mm_prefetch(reinterpret_cast<char const*>(x + i), _MM_HINT_T0);
}

template <std::size_t Fields, dtype Scale>
void multiply_row(tile_product const& p, std::byte const* tile, std::size_t m0, panel_range range) noexcept {
    constexpr std::size_t sums = 2, step = 12 * Fields, at_once = 16;
    std::byte const* const x_end = tile + p.x.digit_bytes(1);
    std::size_t const words = p.x.words_per_block(1), header_bytes = p.header_bytes, shift_offset = p.shift_offset,
                      block_lines = p.x.block_lines;
    bool const integer_zero_point = p.integer_zero_point;
    std::byte const* w = p.w + range.begin * p.panel_bytes;
    for (std::size_t panel = range.begin; panel != range.end; ++panel) {
        std::byte const* x = tile;
        float const* block = reinterpret_cast<float const*>(x_end);
        __m512 total = _mm512_setzero_ps();
        for (std::size_t groups = p.x.groups; groups != 0; --groups) {
            __m512 const scale = load_scales(Scale, w);
            __m512 shift = load_scales(Scale, w + shift_offset);
            if (integer_zero_point) shift = rounded(_mm512_mul_ps(shift, scale));
            w += header_bytes;
            std::size_t left = groups == 1 ? p.x.last_lines : p.x.group_lines;
            do {
                std::size_t lines = left < block_lines ? left : block_lines;
                left -= lines;
                std::byte const* const next = x + step * lines;
                fetch(next == x_end ? tile : next, step * lines);
                __m512i sum[sums][3];
                QUANTO_UNROLL
                for (std::size_t r = 0; r != 3; ++r) {
                    QUANTO_UNROLL
                    for (std::size_t i = 0; i != sums; ++i) sum[i][r] = _mm512_setzero_si512();
                }
                for (; lines >= at_once; lines -= at_once, w += 64 * at_once, x += step * at_once) {
                    QUANTO_UNROLL
                    for (std::size_t l = 0; l != at_once; ++l)
                        dot_line<Fields, 3, sums>(sum, _mm512_load_si512(w + 64 * l), l, x + step * l);
                }
                for (; lines != 0; --lines, w += 64, x += step)
                    dot_line<Fields, 3, sums>(sum, _mm512_load_si512(w), 0, x);
                QUANTO_UNROLL
                for (std::size_t r = 0; r != 3; ++r) sum[0][r] = _mm512_add_epi32(sum[0][r], sum[1][r]);
                __m512i const high = _mm512_add_epi32(_mm512_slli_epi32(sum[0][0], 8), sum[0][1]);
                __m512 const a =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(256.0f), _mm512_cvtepi32_ps(sum[0][2]));
                total = _mm512_fmadd_ps(_mm512_mul_ps(a, _mm512_set1_ps(block[0])), scale, total);
                total = _mm512_fnmadd_ps(shift, _mm512_set1_ps(block[1]), total);
                block += words;
            } while (left != 0);
        }
        alignas(64) float v[1][16];
        _mm512_store_ps(v[0], total);
        finish(p, v, m0, 1, panel);
    }
}

// A tile_kernel for M = 1, D = 3. The scale type is asked once, not once a group.
template <std::size_t Fields>
void multiply_one_row(tile_product const& p, std::byte const* tile, std::size_t m0, std::size_t,
                      panel_range range) noexcept {
    if (p.scale_type == dtype::f32) return multiply_row<Fields, dtype::f32>(p, tile, m0, range);
    if (p.scale_type == dtype::f16) return multiply_row<Fields, dtype::f16>(p, tile, m0, range);
    multiply_row<Fields, dtype::bf16>(p, tile, m0, range);
}
