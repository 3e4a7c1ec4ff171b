// A tile of x times panels, included by the kernels of NEON in their namespaces; no include
// guard on purpose. Per panel and block, A_i[r] = sum_k code[r][k] * digit_i[m][k] for its rows r, exact in int32, and
// then in float32, with a the sum of A_i * unit^(D - 1 - i):
//     D > 1           total[r] += scale[r] * (s[m] * a) - shift[r] * (s[m] * sum of codes)
//     D = 1, qint8    total[r] += a * (s[m] * scale[r])                     each operation rounded, as by definition
//     D = 1, others   total[r] += scale[r] * a - shift[r] * (sum of codes)  the same; in the end times s[m]
// Error of y[m][n] for float x, D > 1, before the activation: with B blocks, b(k) the block of k,
//     2^-24 * sum_k (|code * scale| + |shift|) * ((B + 10) * |x[m][k]| + 1.01 * max |x[m][b(k)]|)
// The order of operations does not depend on M, threads, or where rows lie in a tile.
//
// Before it the vocabulary of vector.inl, and
//     tile_sums<Fields, R>     sums of R rows of digits with `parts` vectors of a panel's rows
//         line_bytes           digits of a line, all rows
//         start(words)         sums are 0, or for unsigned codes of qint8 what digits.hpp says
//         add(w, x, lines)     of(part, row of digits)

// Once for all kernels: within them it would take registers from their loops.
__attribute__((noinline)) inline void finish(tile_product const& p, float (*totals)[16], std::size_t m0,
                                             std::size_t valid, std::size_t panel) noexcept {
    p.finish(totals, m0, valid, panel);
}

// A tile of M rows, of which `valid` have a y, from row m0 on.
template <std::size_t Fields, std::size_t D, std::size_t M>
void multiply_tile(tile_product const& p, std::byte const* tile, std::size_t m0, std::size_t valid,
                   panel_range range) noexcept {
    using sums = tile_sums<Fields, M * D>;
    constexpr std::size_t parts = panel_layout::panel_rows / lanes;
    constexpr float unit = D == 2 ? 4096.0f : 256.0f;
    std::size_t const words = p.x.words_per_block(M);
    auto const* const blocks = reinterpret_cast<float const*>(tile + p.x.digit_bytes(M));
    float const* const row_scale = blocks + p.x.blocks() * words;
    for (std::size_t panel = range.begin; panel != range.end; ++panel) {
        std::byte const *w = p.w + panel * p.panel_bytes, *x = tile;
        float const* block = blocks;
        alignas(64) float total[M][panel_layout::panel_rows] = {};
        for (std::size_t g = 0; g != p.x.groups; ++g) {
            std::byte const* const header = w;
            w += p.header_bytes;
            std::size_t left = g + 1 == p.x.groups ? p.x.last_lines : p.x.group_lines;
            while (left != 0) {
                std::size_t const lines = left < p.x.block_lines ? left : p.x.block_lines;
                float const* const s = block;  // D > 1
                float const* const of_codes = block + (D == 1 ? 0 : M);
                for (std::size_t first = 0; first != parts; first += sums::parts) {
                    sums sum;
                    sum.start(reinterpret_cast<std::int32_t const*>(of_codes));
                    sum.add(w + first * sizeof(vf), x, lines);
                    tile_product const& of = *again(&p);  // read here: the loop before has the registers
                    QUANTO_UNROLL
                    for (std::size_t part = 0; part != sums::parts; ++part) {
                        std::size_t const row = (first + part) * lanes;
                        vf const scale = load_weights(of.scale_type, header, row);
                        vf shift{};
                        if constexpr (Fields != 1) {
                            shift = load_weights(of.scale_type, header + of.shift_offset, row);
                            if (of.integer_zero_point) shift = opaque(shift * scale);
                        }
                        QUANTO_UNROLL
                        for (std::size_t m = 0; m != M; ++m) {
                            vf a = to_float(sum.of(part, m * D + D - 1)), t = load_f32(total[m] + row);
                            if constexpr (D == 1 && Fields == 1) {
                                t = t + opaque(a * opaque(broadcast(row_scale[m]) * scale));
                            } else if constexpr (D == 1) {
                                t = t + opaque(a * scale);
                                t = t - opaque(shift * broadcast(of_codes[m]));
                            } else {
                                vi high = sum.of(part, m * D);
                                if constexpr (D == 3) high = (high << 8) + sum.of(part, m * D + 1);
                                a = multiply_add(to_float(high), broadcast(unit), a);
                                t = multiply_add(opaque(a * broadcast(s[m])), scale, t);
                                if constexpr (Fields != 1) t = multiply_add(-shift, broadcast(of_codes[m]), t);
                            }
                            store_f32(t, total[m] + row);
                        }
                    }
                }
                left -= lines;
                w += panel_layout::line_bytes * lines;
                x += sums::line_bytes * lines;
                block += words;
            }
        }
        if constexpr (D == 1 && Fields != 1)
            for (std::size_t m = 0; m != valid; ++m)
                for (std::size_t row = 0; row != panel_layout::panel_rows; row += lanes)
                    store_f32(load_f32(total[m] + row) * broadcast(row_scale[m]), total[m] + row);
        finish(p, total, m0, valid, panel);
    }
}
