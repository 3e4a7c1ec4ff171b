// One row of float x, in three digits, times panels of 2 or 4 bits, included by avx512vnni.hpp: what multiply_tile
// computes for M = 1, bit for bit. What it loses by beside a loop that only reads w is whatever else misses the level 1
// cache: it disturbs the hardware's prefetching of w, as prefetches of w do. So
//     x (12 KiB of digits for K = 4096), where it does not fit beside a panel, is fetched a block ahead, and read half a
//     panel before it is used, too: then w passing through does not take it out
//     sums are finished for some panels at once
//     fields stay at their place in a byte, each in sums of its own, which are shifted once per block

// sum[f][i] += field f of a line of codes, where it is in its byte, * digit i.
template <std::size_t Fields>
QUANTO_INLINE void dot_fields(__m512i (&sum)[Fields][3], __m512i line, std::byte const* x) noexcept {
    constexpr unsigned bits = 8 / Fields, mask = (1u << bits) - 1u;
    auto const* const digits = reinterpret_cast<four_digits const*>(x);
    QUANTO_UNROLL
    for (std::size_t f = 0; f != Fields; ++f) {
        __m512i const u = _mm512_and_si512(line, _mm512_set1_epi8(static_cast<char>(mask << f * bits)));
        QUANTO_UNROLL
        for (std::size_t i = 0; i != 3; ++i) dot(sum[f][i], u, digits[3 * f + i]);
    }
}

// Fetches `bytes` of x into the level 1 cache, and reads as many further on: so they count as used.
QUANTO_INLINE void keep(std::byte const* next, std::byte const* again, std::size_t bytes) noexcept {
#pragma GCC unroll 2
    for (std::size_t i = 0; i < bytes; i += 64) {
        _mm_prefetch(reinterpret_cast<char const*>(next + i), _MM_HINT_T0);
        static_cast<void>(*reinterpret_cast<char const volatile*>(again + i));
    }
}

template <std::size_t Fields, dtype Scale>
void multiply_row(tile_product const& p, std::byte const* tile, std::size_t m0, panel_range range) noexcept {
    constexpr std::size_t step = 12 * Fields, at_once = 16, panels_at_once = 16;
    std::byte const *const x_end = tile + p.x.digit_bytes(1), *const half = tile + p.x.digit_bytes(1) / 128 * 64;
    std::size_t const words = p.x.words_per_block(1), header_bytes = p.header_bytes, shift_offset = p.shift_offset,
                      block_lines = p.x.block_lines;
    bool const long_rows = p.x.digit_bytes(1) + p.panel_bytes > (std::size_t{24} << 10);
    bool const integer_zero_point = p.integer_zero_point;
    std::byte const* w = p.w + range.begin * p.panel_bytes;
    alignas(64) float totals[panels_at_once][1][16];
    for (std::size_t panel = range.begin, held = 0; panel != range.end; ++panel) {
        std::byte const *x = tile, *again = half;
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
                std::size_t const bytes = step * lines;
                if (long_rows) {
                    if (static_cast<std::size_t>(x_end - again) < bytes) again = tile;
                    keep(x + bytes == x_end ? tile : x + bytes, again, bytes);
                    again += bytes;
                }
                __m512i sum[Fields][3];
                QUANTO_UNROLL
                for (std::size_t f = 0; f != Fields; ++f) {
                    QUANTO_UNROLL
                    for (std::size_t i = 0; i != 3; ++i) sum[f][i] = _mm512_setzero_si512();
                }
                for (; lines >= at_once; lines -= at_once, w += 64 * at_once, x += step * at_once) {
                    QUANTO_UNROLL
                    for (std::size_t l = 0; l != at_once; ++l)
                        dot_fields<Fields>(sum, _mm512_load_si512(w + 64 * l), x + step * l);
                }
                for (; lines != 0; --lines, w += 64, x += step) dot_fields<Fields>(sum, _mm512_load_si512(w), x);
                QUANTO_UNROLL
                for (std::size_t f = Fields - 1; f != 0; --f) {
                    QUANTO_UNROLL
                    for (std::size_t i = 0; i != 3; ++i)
                        sum[f - 1][i] = _mm512_add_epi32(sum[f - 1][i], _mm512_srai_epi32(sum[f][i], 8 / Fields));
                }
                __m512i const high = _mm512_add_epi32(_mm512_slli_epi32(sum[0][0], 8), sum[0][1]);
                __m512 const a =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(256.0f), _mm512_cvtepi32_ps(sum[0][2]));
                total = _mm512_fmadd_ps(_mm512_mul_ps(a, _mm512_set1_ps(block[0])), scale, total);
                total = _mm512_fnmadd_ps(shift, _mm512_set1_ps(block[1]), total);
                block += words;
            } while (left != 0);
        }
        _mm512_store_ps(totals[held][0], total);
        if (++held != panels_at_once && panel + 1 != range.end) continue;
        for (std::size_t i = 0; i != held; ++i) finish(p, totals[i], m0, 1, panel + 1 - held + i);
        held = 0;
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
