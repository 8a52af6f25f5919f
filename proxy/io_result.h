// What a send or a receive came to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pgparity::proxy {

struct IoResult {
  enum class Kind : uint8_t { ok, would_block, end, error };
  Kind kind = Kind::ok;
  size_t bytes = 0;
  // Of a receive: nothing more is there for now, a further one would say would_block.
  bool drained = false;
  int error = 0;  // errno
};

}  // namespace pgparity::proxy
