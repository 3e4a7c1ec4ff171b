// expect: nodiscard
#include <quanto/core/result.hpp>

#pragma GCC diagnostic error "-Wunused-result"

quanto::result<int> answer();

int main() { answer(); }
