// main() of every test program. Catch2 3 brings it in its library Catch2WithMain; version 2 compiles it here, once per
// configuration.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
