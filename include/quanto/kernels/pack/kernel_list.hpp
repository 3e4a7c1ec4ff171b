// The packing kernels, one list; a matrix of codes in bytes to its planar packing, and back:
//     pack_kernel<4, isa::avx2>::name == "pack_4_avx2"
//         ::pack(codes, packing, packed)   ::unpack(packed, packing, codes)
//     for_each_pack_kernel([]<class K>(K) { ... })
#pragma once

#include <cstring>
#include <string_view>

#include <quanto/kernels/vector.hpp>
#include <quanto/tensor/packing.hpp>

#define QUANTO_KERNELS <quanto/kernels/pack/simd.inl>
#include <quanto/kernels/each_target.inl>

namespace quanto::inline v0 {

template <int Bits, isa I>
struct pack_kernel {
    static constexpr int bits = Bits;
    static constexpr isa target = I;

private:
    static constexpr detail::kernel_name name_{"pack_",
                                               Bits == 2   ? "2"
                                               : Bits == 4 ? "4"
                                                           : "8",
                                               "_", detail::elementwise::level_name(I)};

public:
    static constexpr std::string_view name = name_;

    // Precondition: codes are below 2^Bits; packing.rows * packing.cols of them, packing.bytes() packed bytes.
    static void pack(std::uint8_t const* codes, planar_packing<Bits> const& packing, std::uint8_t* packed) noexcept {
        std::memset(packed, 0, packing.bytes());
        each_plane(packing, [&](std::size_t first, std::size_t n, int position) {
            pack_plane(codes + first, n, position, packed);
        });
    }
    static void unpack(std::uint8_t const* packed, planar_packing<Bits> const& packing, std::uint8_t* codes) noexcept {
        each_plane(packing, [&](std::size_t first, std::size_t n, int position) {
            unpack_plane(packed, n, position, codes + first);
        });
    }

private:
    // The codes of one bit position are consecutive, and so are their bytes.
    template <class F>
    static void each_plane(planar_packing<Bits> const& packing, F const& f) noexcept {
        std::size_t const all = packing.rows * packing.cols, plane = packing.bytes();
        int position = 0;
        for (std::size_t first = 0; first < all; first += plane, position += Bits)
            f(first, all - first < plane ? all - first : plane, position);
    }
    static void pack_plane(std::uint8_t const* codes, std::size_t n, int position, std::uint8_t* packed) noexcept {
        QUANTO_CALL(I, pack<Bits>(codes, n, position, packed));
    }
    static void unpack_plane(std::uint8_t const* packed, std::size_t n, int position, std::uint8_t* codes) noexcept {
        QUANTO_CALL(I, unpack<Bits>(packed, n, position, codes));
    }
};

template <class F>
constexpr void for_each_pack_kernel(F&& f) {
    for_each_isa(
        [&]<isa I>(isa_constant<I>) { f(pack_kernel<2, I>{}), f(pack_kernel<4, I>{}), f(pack_kernel<8, I>{}); });
}

}  // namespace quanto::inline v0
