// Which statements write one row whose table and primary key their text and parameters tell, and
// where the key is (DESIGN, "Ordering": row holdback). A mistake here costs a wait or an unproved
// order, never a wrong one: what was held and what was not is seen by the intervals.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/text_shape.h"
#include "shadow/catalog.h"

namespace pgparity::proxy {

enum class KeyType : uint8_t { integer, text, uuid };

struct HoldShape {
  struct Part {
    KeyType type = KeyType::integer;
    bool parameter = false;  // else a literal
    uint8_t index = 0;       // of either, from 0
  };
  static constexpr size_t kMaxParts = 4;
  uint64_t table = 0;
  uint8_t count = 0;  // 0: no such statement
  std::array<Part, kMaxParts> parts;
};

// By analysis and catalog: for a helper thread.
HoldShape FindHoldShape(std::string_view sql, const shadow::Catalog& primary);

// The row that a statement of this shape writes, of a simple Query's literals or of a Bind's body;
// nullopt where a part of the key cannot be told. `database` keeps those of several apart.
std::optional<uint64_t> RowOfQuery(const HoldShape& shape, const TextShape& text,
                                   uint64_t database);
std::optional<uint64_t> RowOfBind(const HoldShape& shape, std::string_view body, uint64_t database);

}  // namespace pgparity::proxy
