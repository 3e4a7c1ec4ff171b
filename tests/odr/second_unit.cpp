// Every public header, a second time: this unit is linked into every test program, so a function or variable that is
// not inline is a duplicate symbol.
#include <quanto_all_headers.hpp>  // written by tests/CMakeLists.txt
