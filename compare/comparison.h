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
std::string_view KindName(Kind kind);  // "rows", "row-count", "error", "shadow-error", ...

struct CompareOptions {
  bool ordered = false;  // the statement's ORDER BY fixes the order of rows
  // Per result column: a time value that was frozen, equal when the two lie within
  // `time_tolerance_us`.
  std::vector<bool> frozen_time;
  int64_t time_tolerance_us = 0;
  // Per result column: must differ (volatile), and is left out.
  std::vector<bool> ignored;
  const protocol::TypeResolver* primary_types = nullptr;  // never null when comparing
  const protocol::TypeResolver* shadow_types = nullptr;
  protocol::TextSettings settings;  // of the unit's session, on both sides
};

struct Comparison {
  Kind kind = Kind::none;
  // One line without user data: "column 2 (price) differs in row 1", "3 rows against 2", "SQLSTATE
  // 23505 against none".
  std::string what;
  std::string shadow_sqlstate;  // of the shadow's error, where it answered with one
  // Values, for the example; redacted later. At most 4 KiB each.
  std::string primary_example, shadow_example;
  // Positions in the result, from 0, in ascending order.
  std::vector<uint16_t> differing_columns;
  // Values that differ as bytes were compared as bytes, their type being unknown.
  bool bytewise = false;
  bool digest_only = false;  // rows past the capture limit were compared by digest
  // `ordered` was asked for, and the same rows came in another order: the caller, who knows whether
  // the sort keys leave ties, decides.
  bool order_differs = false;
  // Something could not be compared, and the rest was equal (or differs, see kind): rows past the
  // capture limit (a frozen or ignored column, or mixed formats), or uncompared_columns. Not a
  // match.
  bool incomplete = false;
  // Columns, from 0, of which one side gave text and the other binary of a type whose two forms
  // cannot be compared, or OIDs of its own database (regclass in binary).
  std::vector<uint16_t> uncompared_columns;
  bool equal() const { return kind == Kind::none; }
};

// Rules. Errors compare by SQLSTATE and severity. Columns compare by number, name and type; one
// side without a description of them is taken to have the other's. Then command tags, row counts,
// rows: as a multiset, or position by position where the order counts. Rows past the capture limit
// compare by digest. Time about linear in the rows (n log n where their order differs); memory a
// small multiple of the rows, and only where their bytes differ.
Comparison Compare(const Observation& primary, const Observation& shadow,
                   const CompareOptions& options);

}  // namespace pgparity::compare
