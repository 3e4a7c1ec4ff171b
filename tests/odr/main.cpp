// Every public header in two units of one program: what is not inline in them is a duplicate symbol.
#include <quanto_all_headers.hpp>  // written by tests/CMakeLists.txt

int main() {}
