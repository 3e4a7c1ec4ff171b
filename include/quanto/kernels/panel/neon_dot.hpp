// Products with panels of qint2, qint4 and qint8 by sdot: four registers hold a line of w, sum[.][r][j] rows
// 4j .. 4j + 3 of a panel; x[m] is broadcast by lane. Codes are signed here: qint8's top bit is flipped back, so that
// sums start at 0. The sums are exact in int32, and float operations those of avx512vnni.hpp: the same bounds.
#pragma once

#include <quanto/kernels/panel/neon_pack.hpp>

#if QUANTO_TARGETS_NEON

namespace quanto::inline v0::detail {

QUANTO_TARGET_BEGIN(QUANTO_NEON_DOT)
namespace neon_dot {

using namespace elementwise::gnu;

// acc[i] + w[4i .. 4i + 4) * the four digits in lane Lane of x. As assembly: not every compiler that knows dotprod has
// its intrinsic without a flag.
template <int Lane>
QUANTO_INLINE int32x4_t dot(int32x4_t acc, uint8x16_t w, int8x16_t x) noexcept {
    asm volatile("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(acc) : "w"(w), "w"(x), "i"(Lane));
    return acc;
}
QUANTO_INLINE int32x4_t dot(int32x4_t acc, uint8x16_t w, int8x16_t x, std::size_t lane) noexcept {
    return lane == 0   ? dot<0>(acc, w, x)
           : lane == 1 ? dot<1>(acc, w, x)
           : lane == 2 ? dot<2>(acc, w, x)
                       : dot<3>(acc, w, x);
}

// Field f of a quarter of a line.
template <std::size_t Fields>
QUANTO_INLINE uint8x16_t field(uint8x16_t line, std::size_t f) noexcept {
    if constexpr (Fields != 1) {
        constexpr int bits = 8 / Fields;
        if (f != 0) line = f == 1 ? vshrq_n_u8(line, bits) : f == 2 ? vshrq_n_u8(line, 4) : vshrq_n_u8(line, 6);
        if (f + 1 != Fields) line = vandq_u8(line, vdupq_n_u8((1u << bits) - 1u));
    }
    return line;
}

// p, which from here on the compiler knows nothing of: it reads again what is there, from the cache, where it would run
// out of registers for what it has read.
template <class T>
QUANTO_INLINE T const* again(T const* p) noexcept {
    asm volatile("" : "+r"(p));
    return p;
}
QUANTO_INLINE uint8x16_t load_codes(std::byte const* p) noexcept {
    return vld1q_u8(reinterpret_cast<std::uint8_t const*>(p));
}
QUANTO_INLINE int8x16_t load_digits(std::byte const* p) noexcept {
    return vld1q_s8(reinterpret_cast<std::int8_t const*>(p));
}

template <std::size_t Fields, std::size_t R>
struct tile_sums {
    static constexpr std::size_t parts = 4, line_bytes = 4 * Fields * R;
    static constexpr std::size_t chains = R == 1 ? 4 : R <= 3 ? 2 : 1;  // independent ones
    static constexpr std::size_t quads_at_once = 4 % R == 0 ? 4 / R : 1;

    int32x4_t sum[chains][R][4];

    QUANTO_INLINE void start(std::int32_t const*) noexcept {
        QUANTO_UNROLL
        for (std::size_t i = 0; i != chains; ++i) QUANTO_UNROLL
        for (std::size_t r = 0; r != R; ++r) QUANTO_UNROLL
        for (std::size_t j = 0; j != 4; ++j) sum[i][r][j] = vdupq_n_s32(0);
    }

    // Reads up to 12 bytes beyond the digits: the numbers of a tile.
    template <std::size_t Lines>
    QUANTO_INLINE void add_lines(std::byte const* w, std::byte const* x) noexcept {
        constexpr std::size_t registers = ceil_div(quads_at_once * R, std::size_t{4});
        int8x16_t digits[registers];
        QUANTO_UNROLL
        for (std::size_t q = 0; q != Lines * Fields; ++q) {
            std::size_t const at = q % quads_at_once * R;
            std::byte const* const line = again(w + 64 * (q / Fields));
            if (at == 0) {
                QUANTO_UNROLL
                for (std::size_t i = 0; i != registers; ++i) digits[i] = load_digits(x + 4 * q * R + 16 * i);
            }
            QUANTO_UNROLL
            for (std::size_t j = 0; j != 4; ++j) {
                uint8x16_t codes = field<Fields>(load_codes(line + 16 * j), q % Fields);
                if constexpr (Fields == 1) codes = veorq_u8(codes, vdupq_n_u8(0x80));
                QUANTO_UNROLL
                for (std::size_t r = 0; r != R; ++r)
                    sum[q % chains][r][j] = dot(sum[q % chains][r][j], codes, digits[(at + r) / 4], (at + r) % 4);
            }
        }
    }

    QUANTO_INLINE void add(std::byte const* w, std::byte const* x, std::size_t lines) noexcept {
        constexpr std::size_t at_once = ceil_div(quads_at_once, Fields);
        for (; lines >= at_once; lines -= at_once, w += 64 * at_once, x += line_bytes * at_once)
            add_lines<at_once>(w, x);
        if constexpr (at_once != 1)
            for (; lines != 0; --lines, w += 64, x += line_bytes) add_lines<1>(w, x);
        QUANTO_UNROLL
        for (std::size_t i = 1; i != chains; ++i) QUANTO_UNROLL
        for (std::size_t r = 0; r != R; ++r) QUANTO_UNROLL
        for (std::size_t j = 0; j != 4; ++j) sum[0][r][j] = vaddq_s32(sum[0][r][j], sum[i][r][j]);
    }

    QUANTO_INLINE vi of(std::size_t part, std::size_t r) const noexcept { return (vi)sum[0][r][part]; }
};

#include <quanto/kernels/panel/multiply_tile.inl>

// The rows of the tile that takes `m` rows, and its kernel: 24 of 32 registers are sums.
template <std::size_t Fields, std::size_t D>
constexpr std::size_t tile_rows(std::size_t m) noexcept {
    return D == 3 ? (m < 2 ? m : 2) : m <= 4 ? m : 6;
}

template <std::size_t Fields, std::size_t D>
tile_kernel kernel_of(std::size_t rows) noexcept {
    if (rows == 1) return multiply_tile<Fields, D, 1>;
    if (rows == 2) return multiply_tile<Fields, D, 2>;
    if constexpr (D == 1) {
        if (rows == 3) return multiply_tile<Fields, D, 3>;
        if (rows == 4) return multiply_tile<Fields, D, 4>;
        if (rows == 6) return multiply_tile<Fields, D, 6>;
    }
    return nullptr;
}

template <std::size_t Fields, std::size_t D, class T>
void pack_tile(panel_operands<T> const& o, tile_row const& row, std::size_t m0, std::size_t valid) noexcept {
    pack_rows<Fields, D, false>(o, row, m0, valid);
}

}  // namespace neon_dot
QUANTO_TARGET_END

}  // namespace quanto::inline v0::detail

#endif
