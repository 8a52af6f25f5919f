// ORDER BY and what it leaves open: whether two results that differ in order, or at the cut of a
// LIMIT, differ only among ties.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compare/comparison.h"
#include "shadow/analysis.h"
#include "shadow/catalog.h"

namespace pgparity::shadow {

enum class OrderFinding : uint8_t {
  ties,     // the difference lies among rows that the sort keys do not tell apart
  differs,  // it does not
  unknown,  // the sort keys are not among the result's columns, or rows were elided
};

// Two results with the same rows in another order.
OrderFinding JudgeOrder(const std::vector<SortKey>& keys, const compare::Observation& primary,
                        const compare::Observation& shadow, const compare::CompareOptions& options);

// Two results of ORDER BY ... LIMIT that differ: ties when they differ only in rows whose keys
// equal those of the last (or, with OFFSET, the first) row.
OrderFinding JudgeLimit(const std::vector<SortKey>& keys, bool offset,
                        const compare::Observation& primary, const compare::Observation& shadow,
                        const compare::CompareOptions& options);

// Whether the keys hold the whole primary key of `table`, so that nothing ties.
bool CoversPrimaryKey(const std::vector<SortKey>& keys, const compare::Observation& primary,
                      const CatalogTable& table);

}  // namespace pgparity::shadow
