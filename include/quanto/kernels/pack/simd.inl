// Codes to and from a field of their bytes; once per instruction set (each_target.inl). Bytes are shifted two by two:
// a code and its place fit one byte, so nothing crosses.

template <int Bits>
inline void pack(std::uint8_t const* codes, std::size_t n, int position, std::uint8_t* packed) noexcept {
    std::size_t i = 0;
    for (; n - i >= sizeof(vw); i += sizeof(vw))
        store_u16(load_u16(packed + i) | (load_u16(codes + i) << position), packed + i);
    for (; i != n; ++i) packed[i] = static_cast<std::uint8_t>(packed[i] | (codes[i] << position));
}

template <int Bits>
inline void unpack(std::uint8_t const* packed, std::size_t n, int position, std::uint8_t* codes) noexcept {
    constexpr std::uint16_t mask = ((1 << Bits) - 1) * 0x101;
    std::size_t i = 0;
    for (; n - i >= sizeof(vw); i += sizeof(vw)) store_u16((load_u16(packed + i) >> position) & mask, codes + i);
    for (; i != n; ++i) codes[i] = static_cast<std::uint8_t>((packed[i] >> position) & (mask & 0xff));
}
