// The rows of two observations that agree in everything before.
#include <algorithm>
#include <utility>

#include "compare/redact.h"
#include "compare/rows.h"
#include "protocol/text.h"

namespace pgparity::compare::internal {
namespace {

using protocol::StrCat;

std::string ColumnName(const std::vector<ColumnPlan>& columns, size_t column) {
  std::string number = std::to_string(column + 1);
  if (column >= columns.size() || columns[column].name.empty()) return number;
  return StrCat(number, " (", Word(columns[column].name), ")");
}

// The rows of both sides and what is found out about them.
struct RowsCase {
  const Observation& primary;
  const Observation& shadow;
  const CompareOptions& options;
  std::vector<ColumnPlan> columns;
  Bodies bodies[2];  // by Side
  Comparison* result;

  bool same_formats() const {
    return std::all_of(columns.begin(), columns.end(),
                       [](const ColumnPlan& c) { return c.same_format(); });
  }
};

std::string Example(const RowsCase& rows, Side side, const std::vector<uint32_t>& which) {
  if (rows.primary.copy_out) return ExampleOfLines(rows.bodies[side], which);
  return ExampleOfRows(rows.columns, side, rows.bodies[side], which, rows.options.settings);
}

// Columns in which the two rows differ; empty if that cannot be said.
std::vector<uint16_t> DifferingColumns(RowsCase* rows, uint32_t primary, uint32_t shadow) {
  RowView a;
  RowView b;
  std::vector<uint16_t> differing;
  if (rows->primary.copy_out || !DecodeRow(rows->bodies[kPrimary][primary], &a) ||
      !DecodeRow(rows->bodies[kShadow][shadow], &b) || a.size() != rows->columns.size() ||
      b.size() != rows->columns.size()) {
    return differing;
  }
  RowComparer comparer(&rows->columns, rows->options.settings, rows->options.time_tolerance_us);
  for (size_t i = 0; i < rows->columns.size(); ++i) {
    if (!comparer.CellsEqual(i, a[i], b[i])) differing.push_back(static_cast<uint16_t>(i));
  }
  return differing;
}

// `left`: the primary's rows without an equal, the first of which differs in `columns`.
std::string DescribeRow(const std::vector<ColumnPlan>& plans, const std::vector<uint16_t>& columns,
                        const std::vector<uint32_t>& left) {
  std::string what;
  constexpr size_t kNamed = 5;
  for (size_t i = 0; i < std::min(columns.size(), kNamed); ++i) {
    what += StrCat(i == 0 ? (columns.size() == 1 ? "column " : "columns ") : ", ",
                   ColumnName(plans, columns[i]));
  }
  if (columns.size() > kNamed) what += ", ...";
  const std::string where = left.empty() ? "" : std::to_string(left[0] + 1);
  what += columns.empty() ? StrCat("row ", where, " differs")
                          : StrCat(columns.size() == 1 ? " differs" : " differ", " in row ", where);
  if (left.size() > 1) what += StrCat(", and ", left.size() - 1, " more rows differ");
  return what;
}

constexpr size_t kMaxPairs = 32;

// Every row is set against every other: fewer of them where they are large.
size_t PairsToTry(const RowsCase& rows, const Unmatched& unmatched) {
  constexpr size_t kBytes = 16 << 20;
  size_t largest = 1;
  for (const Side side : {kPrimary, kShadow}) {
    const auto& which = unmatched.rows[side];
    for (size_t i = 0; i < std::min(which.size(), kMaxPairs); ++i) {
      largest = std::max(largest, rows.bodies[side][which[i]].size());
    }
  }
  size_t pairs = kMaxPairs;
  while (pairs > 1 && pairs * pairs > kBytes / largest) pairs /= 2;
  return pairs;
}

// Rows that lack an equal are set against the row most like them among the first that are left.
void DescribeDifference(RowsCase* rows, const Unmatched& unmatched) {
  const size_t pairs = PairsToTry(*rows, unmatched);
  const auto& left = unmatched.rows[kPrimary];
  std::vector<uint32_t> right = unmatched.rows[kShadow];
  right.resize(std::min(right.size(), pairs));
  std::vector<bool> differs(rows->columns.size(), false);
  std::vector<uint16_t> first;
  std::vector<uint32_t> shown;
  for (size_t i = 0; i < std::min(left.size(), pairs) && !right.empty(); ++i) {
    size_t best = 0;
    std::vector<uint16_t> best_columns;
    for (size_t j = 0; j < right.size(); ++j) {
      std::vector<uint16_t> columns = DifferingColumns(rows, left[i], right[j]);
      if (j > 0 && columns.size() >= best_columns.size()) continue;
      best = j;
      best_columns = std::move(columns);
    }
    for (const uint16_t column : best_columns) differs[column] = true;
    if (i == 0) first = best_columns;
    shown.push_back(right[best]);
    right.erase(right.begin() + static_cast<ptrdiff_t>(best));
  }
  for (size_t i = 0; i < differs.size(); ++i) {
    if (differs[i]) rows->result->differing_columns.push_back(static_cast<uint16_t>(i));
  }
  Diverge(Kind::rows, DescribeRow(rows->columns, first, left), rows->result);
  rows->result->primary_example = Example(*rows, kPrimary, left);
  for (const uint32_t row : unmatched.rows[kShadow]) {
    if (shown.size() >= kMaxPairs) break;
    if (std::find(shown.begin(), shown.end(), row) == shown.end()) shown.push_back(row);
  }
  rows->result->shadow_example = Example(*rows, kShadow, shown);
}

// Rows without an equal on the other side, with uncomparable columns found and left out.
struct Found {
  Unmatched unmatched;
  bool in_order = true;
};

Found FindDifference(RowsCase* rows) {
  while (true) {
    RowComparer comparer(&rows->columns, rows->options.settings, rows->options.time_tolerance_us);
    Found found;
    const Bodies& primary = rows->bodies[kPrimary];
    const Bodies& shadow = rows->bodies[kShadow];
    const size_t same = comparer.CommonPrefix(primary, shadow);
    if (same < std::max(primary.size(), shadow.size())) {
      found.in_order = false;
      if (!comparer.restart()) found.unmatched = comparer.Difference(primary, shadow, same);
    }
    if (!comparer.restart()) {
      rows->result->bytewise |= comparer.bytewise() && !rows->primary.copy_out;
      return found;
    }
    // Each turn leaves out at least one column more.
    for (ColumnPlan& column : rows->columns) column.left_out |= column.uncomparable;
  }
}

void CompareTotals(RowsCase* rows, uint64_t primary, uint64_t shadow) {
  Diverge(Kind::row_count, StrCat(primary, " rows against ", shadow), rows->result);
  if (rows->primary.digest.rows > 0 || rows->shadow.digest.rows > 0) return;
  const Found found = FindDifference(rows);
  rows->result->primary_example = Example(*rows, kPrimary, found.unmatched.rows[kPrimary]);
  rows->result->shadow_example = Example(*rows, kShadow, found.unmatched.rows[kShadow]);
}

// Whether rows with equal values must have equal bytes.
bool BytesDecide(const RowsCase& rows) {
  return std::all_of(rows.columns.begin(), rows.columns.end(), [](const ColumnPlan& column) {
    const ColumnPlan::Source& source = column.sources[kPrimary];
    return column.same_format() && !column.frozen && !column.left_out &&
           (source.format == protocol::Format::text ||
            BinaryIsPortable(source.type_oid, *source.types));
  });
}

// Some rows are known by their digest alone. The captured rows of an unordered result need not be
// the same ones on both sides: only sums over all rows tell.
void CompareWithDigest(RowsCase* rows) {
  const Observation& a = rows->primary;
  const Observation& b = rows->shadow;
  Comparison& result = *rows->result;
  if (rows->same_formats()) {
    const uint64_t primary = a.digest.sum + HashSum(rows->bodies[kPrimary]);
    const uint64_t shadow = b.digest.sum + HashSum(rows->bodies[kShadow]);
    if (primary == shadow) {
      result.digest_only = true;
      result.order_differs =
          rows->options.ordered && (a.rows != b.rows || a.digest.chain != b.digest.chain);
      // Equal captured rows with different limits: the chains do not compare.
      if (a.row_count != b.row_count) result.order_differs = false;
      return;
    }
  }
  const bool decided = BytesDecide(*rows);
  if (!decided) result.incomplete = true;
  if (!decided && !rows->options.ordered) return;
  // Ordered: what both captured is the same stretch of the result.
  const size_t both = std::min(rows->bodies[kPrimary].size(), rows->bodies[kShadow].size());
  for (Bodies& bodies : rows->bodies) bodies.resize(both);
  const Found found = FindDifference(rows);
  result.order_differs = rows->options.ordered && !found.in_order && found.unmatched.empty();
  if (rows->options.ordered && !found.unmatched.empty()) {
    DescribeDifference(rows, found.unmatched);
  } else if (decided) {
    result.digest_only = true;
    Diverge(Kind::rows, StrCat("digest of ", a.row_count + a.digest.rows, " rows differs"),
            &result);
  }
}

void CompareCaptured(RowsCase* rows) {
  const Observation& a = rows->primary;
  const Observation& b = rows->shadow;
  const uint64_t total_primary = a.row_count + a.digest.rows;
  const uint64_t total_shadow = b.row_count + b.digest.rows;
  const bool digest = a.digest.rows > 0 || b.digest.rows > 0;
  if (a.rows == b.rows && total_primary == total_shadow && a.digest == b.digest &&
      rows->same_formats()) {
    rows->result->digest_only = digest;
    return;
  }
  if (!SplitRows(a, &rows->bodies[kPrimary]) || !SplitRows(b, &rows->bodies[kShadow])) {
    Diverge(Kind::rows, "the captured rows are damaged", rows->result);
    return;
  }
  if (total_primary != total_shadow) {
    CompareTotals(rows, total_primary, total_shadow);
    return;
  }
  if (digest) {
    CompareWithDigest(rows);
    return;
  }
  const Found found = FindDifference(rows);
  if (!found.unmatched.empty()) {
    DescribeDifference(rows, found.unmatched);
  } else if (!found.in_order) {
    rows->result->order_differs = rows->options.ordered;
  }
}

}  // namespace

std::string Word(std::string_view text) {
  constexpr size_t kMax = 64;
  std::string word = EscapeControl(text.substr(0, kMax));
  return text.size() > kMax ? word + "..." : word;
}

void Diverge(Kind kind, std::string what, Comparison* result) {
  result->kind = kind;
  result->what = std::move(what);
}

void CompareRows(const Observation& primary, const Observation& shadow,
                 std::vector<ColumnPlan> columns, const CompareOptions& options,
                 Comparison* result) {
  RowsCase rows{primary, shadow, options, std::move(columns), {}, result};
  CompareCaptured(&rows);
  if (primary.row_count + shadow.row_count == 0) return;
  for (size_t i = 0; i < rows.columns.size(); ++i) {
    if (!rows.columns[i].uncomparable) continue;
    result->incomplete = true;
    result->uncompared_columns.push_back(static_cast<uint16_t>(i));
  }
}

}  // namespace pgparity::compare::internal
