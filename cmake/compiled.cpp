// The unit of quanto::compiled: the bodies that quanto::quanto leaves to every unit.
#define QUANTO_IMPLEMENTATION 1
#include <quanto/quanto.hpp>
