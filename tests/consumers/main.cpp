// The smallest program that uses the library: four codes of four bits in two bytes, and back.
#include <cstdint>
#include <cstdio>

#include <quanto/tensor/packing.hpp>
#include <quanto/tensor/tensor.hpp>
#include <quanto/types/qtype.hpp>

int main() {
    quanto::Tensor<std::uint8_t> packed(1, 2);
    quanto::planar_packing<quanto::qint4::bits> const packing{2, 2};
    if (!packed || packed.size() != packing.bytes()) return 1;
    for (std::size_t i = 0; i < 4; ++i) packing.set(packed.data(), i, static_cast<std::uint8_t>(15 - i));
    for (std::size_t i = 0; i < 4; ++i)
        if (packing.get(packed.data(), i) != 15 - i) return 1;
    std::printf("quanto %d.%d.%d\n", QUANTO_VERSION_MAJOR, QUANTO_VERSION_MINOR, QUANTO_VERSION_PATCH);
}
