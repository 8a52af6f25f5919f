// Typed equality of two observations, and the kind of their difference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/observation.h"
#include "protocol/value.h"

namespace pgparity::compare {

// Kinds of divergence (DESIGN, "Classes in the report").
enum class Kind : uint8_t { none, rows, row_count, error, shadow_error, missing_error, shape };
std::string_view KindName(Kind kind);   // "rows", "row-count", "error", "shadow-error", ...

struct CompareOptions {
  bool ordered = false;                     // the statement's ORDER BY fixes the order of rows
  // Per result column: a time value that was frozen, equal when the two lie within `time_tolerance_us`.
  std::vector<bool> frozen_time;
  int64_t time_tolerance_us = 0;
  // Per result column: must differ (volatile), and is left out.
  std::vector<bool> ignored;
  const protocol::TypeResolver* primary_types = nullptr;   // never null when comparing
  const protocol::TypeResolver* shadow_types = nullptr;
  protocol::TextSettings settings;          // of the unit's session, on both sides
};

struct Comparison {
  Kind kind = Kind::none;
  // One line without user data: "column 2 (price) differs in row 1", "3 rows against 2", "SQLSTATE 23505 against none".
  std::string what;
  // Values, for the example; redacted later. At most 4 KiB each.
  std::string primary_example, shadow_example;
  std::vector<uint16_t> differing_columns;
  bool bytewise = false;       // a column was compared bytewise, its type being unknown
  bool digest_only = false;    // rows past the capture limit were compared by digest
  // Rows past the limit could not be compared (a frozen or ignored column, or mixed formats); the
  // rows before it matched.
  bool incomplete = false;
  bool equal() const { return kind == Kind::none; }
};

Comparison Compare(const Observation& primary, const Observation& shadow, const CompareOptions& options);

}  // namespace pgparity::compare
