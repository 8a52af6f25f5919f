// PGPARITY_CHECK: ends the process on a state that the code rules out. Never for input, however
// bad.
#pragma once

#include <cstdio>
#include <cstdlib>

#define PGPARITY_CHECK(condition)                                                        \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
