// expect: no (matching|viable)|conversion
#include <quanto/core/function_ref.hpp>

int length(char const*);
quanto::function_ref<int(float)> f = length;
