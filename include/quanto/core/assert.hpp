// QUANTO_ASSERT(condition, "sentence"): a broken promise of the calling code (never of data: data errors are
// result<T>). Define it before the first include of quanto to route it elsewhere. By default it is the debug `assert`.
#pragma once

#if !defined(QUANTO_ASSERT)
#include <cassert>
#define QUANTO_ASSERT(condition, sentence) assert((condition) && (sentence))
#endif
