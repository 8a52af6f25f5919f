// Comparing rows: cell by cell, and as multisets. Private to comparison*.cc and rows*.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compare/comparison.h"

namespace pgparity::compare::internal {

enum Side : size_t { kPrimary = 0, kShadow = 1 };

// How one column's values are to be read on either side.
struct ColumnPlan {
  struct Source {
    uint32_t type_oid = 0;
    protocol::Format format = protocol::Format::text;
    const protocol::TypeResolver* types = nullptr;
  };
  std::array<Source, 2> sources;  // by Side
  std::string name;               // empty if no side described it
  bool frozen = false;
  bool left_out = false;  // ignored, or found to be uncomparable
  bool uncomparable = false;

  bool same_format() const { return sources[kPrimary].format == sources[kShadow].format; }
};

using Bodies = std::vector<std::string_view>;

// Indexes of rows that have no equal on the other side, ascending.
struct Unmatched {
  std::array<std::vector<uint32_t>, 2> rows;  // by Side
  bool empty() const { return rows[kPrimary].empty() && rows[kShadow].empty(); }
};

class RowComparer {
 public:
  // All that is given outlives the comparer.
  RowComparer(std::vector<ColumnPlan>* columns, const protocol::TextSettings& settings,
              int64_t tolerance_us)
      : columns_(*columns), settings_(settings), tolerance_us_(tolerance_us) {}

  bool CellsEqual(size_t column, const Cell& primary, const Cell& shadow);
  bool RowsEqual(std::string_view primary, std::string_view shadow);
  // Index of the first pair that differs, or the length of the shorter one.
  size_t CommonPrefix(const Bodies& primary, const Bodies& shadow);
  // Rows from `begin` on that have no equal on the other side, whatever their order.
  Unmatched Difference(const Bodies& primary, const Bodies& shadow, size_t begin);

  // Some pair of values was compared as bytes.
  bool bytewise() const { return bytewise_; }
  // A column turned out to be uncomparable (ColumnPlan::uncomparable): what was found is void, and
  // is to be found again with the column left out.
  bool restart() const { return restart_; }

 private:
  struct Key;
  bool WithinTolerance(int64_t a, int64_t b) const;
  bool WithinTolerance(const Key& a, const Key& b) const;
  void AppendCanonical(size_t column, Side side, std::string_view value, std::string* out);
  Key MakeKey(Side side, std::string_view body, uint32_t index);
  std::vector<Key> SortedKeys(Side side, const Bodies& bodies, const std::vector<uint32_t>& rows);
  void PairByTime(std::vector<const Key*> primary, std::vector<const Key*> shadow,
                  Unmatched* result) const;
  Unmatched CancelIdentical(const Bodies& primary, const Bodies& shadow, size_t begin) const;
  Unmatched CancelEqual(const Bodies& primary, const Bodies& shadow, const Unmatched& rest);

  std::vector<ColumnPlan>& columns_;
  const protocol::TextSettings& settings_;
  const int64_t tolerance_us_;
  bool bytewise_ = false;
  bool restart_ = false;
  std::array<RowView, 2> scratch_;
  std::array<std::string, 2> canonical_;
};

// Splits Observation::rows. False: they are damaged, or not as many as row_count says.
bool SplitRows(const Observation& observation, Bodies* bodies);
// The sum of the rows' hashes as RowDigest has it.
uint64_t HashSum(const Bodies& bodies);

// Whether equal values of the type have equal bytes in binary in two databases: not so where the
// bytes hold OIDs from 16384 up.
bool BinaryIsPortable(uint32_t type_oid, const protocol::TypeResolver& types);
// Types whose binary form is an OID, and whose text form is a name.
bool IsRegType(uint32_t type_oid);

// Lines "(1, 'a', NULL)" of up to five rows; at most 4 KiB.
std::string ExampleOfRows(const std::vector<ColumnPlan>& columns, Side side, const Bodies& bodies,
                          const std::vector<uint32_t>& rows,
                          const protocol::TextSettings& settings);
// Values that are not rows (COPY data), one a line.
std::string ExampleOfLines(const Bodies& bodies, const std::vector<uint32_t>& rows);
// "error SQLSTATE 23505: ... DETAIL: ..." or the tag, or what else there was.
std::string ExampleOfOutcome(const Observation& observation);

// A name or word of the server's, for a line without user data: escaped, and not long.
std::string Word(std::string_view text);
void Diverge(Kind kind, std::string what, Comparison* result);

// What Compare() does once outcome, tag and columns agree.
void CompareRows(const Observation& primary, const Observation& shadow,
                 std::vector<ColumnPlan> columns, const CompareOptions& options,
                 Comparison* result);

}  // namespace pgparity::compare::internal
