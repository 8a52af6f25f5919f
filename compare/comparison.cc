#include "compare/comparison.h"

#include <charconv>
#include <utility>

#include "compare/rows.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using internal::ColumnPlan;
using internal::Diverge;
using internal::kPrimary;
using internal::kShadow;
using internal::Word;
using protocol::StrCat;

// --- Outcomes -------------------------------------------------------------------------------

bool Failed(const Observation& observation) {
  return observation.kind == Observation::Kind::error ||
         observation.kind == Observation::Kind::skipped;
}

std::string FailureName(const Observation& observation) {
  if (observation.kind == Observation::Kind::skipped) return "skipped";
  return "SQLSTATE " + Word(DecodeErrorFields(observation.error).sqlstate);
}

void CompareFailures(const Observation& primary, const Observation& shadow, Comparison* result) {
  if (Failed(primary) != Failed(shadow)) {
    if (Failed(primary)) {
      Diverge(Kind::missing_error, FailureName(primary) + " against none", result);
    } else {
      Diverge(Kind::shadow_error, "no error against " + FailureName(shadow), result);
    }
  } else if (primary.kind != shadow.kind) {
    Diverge(Kind::error, StrCat(FailureName(primary), " against ", FailureName(shadow)), result);
  } else if (primary.kind == Observation::Kind::error) {
    const ErrorFields a = DecodeErrorFields(primary.error);
    const ErrorFields b = DecodeErrorFields(shadow.error);
    if (a.sqlstate != b.sqlstate) {
      Diverge(Kind::error, StrCat(FailureName(primary), " against ", FailureName(shadow)), result);
    } else if (a.severity != b.severity) {
      Diverge(Kind::error,
              StrCat("severity ", Word(a.severity), " against ", Word(b.severity), " of SQLSTATE ",
                     Word(a.sqlstate)),
              result);
    }
  }
}

std::string_view OutcomeName(Observation::Kind kind) {
  switch (kind) {
    case Observation::Kind::empty_query:
      return "empty query";
    case Observation::Kind::portal_suspended:
      return "portal suspended";
    default:
      return "complete";
  }
}

void CompareOutcomes(const Observation& primary, const Observation& shadow, Comparison* result) {
  const std::string what = StrCat(OutcomeName(primary.kind), " against ", OutcomeName(shadow.kind));
  if (primary.kind != shadow.kind) {
    const bool empty = primary.kind == Observation::Kind::empty_query ||
                       shadow.kind == Observation::Kind::empty_query;
    Diverge(empty ? Kind::shape : Kind::row_count, what, result);
  } else if (primary.copy_out != shadow.copy_out) {
    Diverge(Kind::shape, primary.copy_out ? "COPY data against none" : "no COPY data against some",
            result);
  }
}

// "UPDATE 3" -> "UPDATE", 3. INSERT's first number is an OID that no server gives any more.
struct Tag {
  std::string_view verb;
  std::optional<uint64_t> count;
};

Tag ParseTag(std::string_view text) {
  Tag tag{text, std::nullopt};
  const size_t space = text.rfind(' ');
  if (space == std::string_view::npos) return tag;
  uint64_t count = 0;
  const std::string_view number = text.substr(space + 1);
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), count);
  if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size()) return tag;
  tag.count = count;
  tag.verb = text.substr(0, space);
  if (tag.verb.starts_with("INSERT ")) tag.verb = "INSERT";
  return tag;
}

void CompareTagVerbs(const Observation& primary, const Observation& shadow, Comparison* result) {
  const Tag a = ParseTag(primary.tag);
  const Tag b = ParseTag(shadow.tag);
  if (primary.tag.empty() || shadow.tag.empty()) return;
  if (a.verb != b.verb || a.count.has_value() != b.count.has_value()) {
    Diverge(Kind::shape, StrCat("command tag ", Word(a.verb), " against ", Word(b.verb)), result);
  }
}

void CompareTagCounts(const Observation& primary, const Observation& shadow, Comparison* result) {
  const Tag a = ParseTag(primary.tag);
  const Tag b = ParseTag(shadow.tag);
  if (!a.count.has_value() || !b.count.has_value() || *a.count == *b.count) return;
  Diverge(Kind::row_count, StrCat(Word(a.verb), " of ", *a.count, " rows against ", *b.count),
          result);
}

// --- Columns --------------------------------------------------------------------------------

// How many columns an observation has: described, or else in its first row; nullopt: nobody knows.
std::optional<size_t> ColumnCount(const Observation& observation) {
  if (observation.has_columns) return observation.columns.size();
  RowView row;
  if (observation.copy_out || !RowReader(observation.rows).Next(&row)) return std::nullopt;
  return row.size();
}

std::string TypeName(uint32_t type_oid, const protocol::TypeResolver& types) {
  std::string number = "type OID " + std::to_string(type_oid);
  if (type_oid < protocol::oid::kFirstUser) return number;
  const std::string name = types.Resolve(type_oid).name;
  return name.empty() ? number : "type " + Word(name);
}

// OIDs from 16384 up are each database's own: there the names decide, where both are known.
bool SameType(uint32_t primary, uint32_t shadow, const CompareOptions& options) {
  const uint32_t first = protocol::oid::kFirstUser;
  if (primary < first || shadow < first) return primary == shadow;
  const std::string a = options.primary_types->Resolve(primary).name;
  const std::string b = options.shadow_types->Resolve(shadow).name;
  return a.empty() || b.empty() || a == b;
}

void CompareColumns(const Observation& primary, const Observation& shadow,
                    const CompareOptions& options, Comparison* result) {
  const std::optional<size_t> a = ColumnCount(primary);
  const std::optional<size_t> b = ColumnCount(shadow);
  if (a.has_value() && b.has_value() && *a != *b) {
    Diverge(Kind::shape, StrCat(*a, " columns against ", *b), result);
    return;
  }
  if (!primary.has_columns || !shadow.has_columns) return;
  for (size_t i = 0; i < primary.columns.size(); ++i) {
    const Column& p = primary.columns[i];
    const Column& s = shadow.columns[i];
    if (p.name != s.name) {
      Diverge(Kind::shape,
              StrCat("column ", i + 1, " is named ", Word(p.name), " against ", Word(s.name)),
              result);
    } else if (!SameType(p.type_oid, s.type_oid, options)) {
      Diverge(Kind::shape,
              StrCat("column ", i + 1, " (", Word(p.name), ") has ",
                     TypeName(p.type_oid, *options.primary_types), " against ",
                     TypeName(s.type_oid, *options.shadow_types)),
              result);
    } else {
      continue;
    }
    result->differing_columns.push_back(static_cast<uint16_t>(i));
    return;
  }
}

bool Flag(const std::vector<bool>& flags, size_t i) { return i < flags.size() && flags[i]; }

// A side that describes no columns is read as the other one is.
std::vector<ColumnPlan> PlanColumns(const Observation& primary, const Observation& shadow,
                                    const CompareOptions& options) {
  const std::optional<size_t> described = ColumnCount(primary);
  const size_t count = described.has_value() ? *described : ColumnCount(shadow).value_or(0);
  std::vector<ColumnPlan> columns(count);
  for (size_t i = 0; i < count; ++i) {
    ColumnPlan& plan = columns[i];
    const auto source = [&](const Observation& observation, const protocol::TypeResolver* types) {
      return ColumnPlan::Source{observation.columns[i].type_oid, observation.columns[i].format,
                                types};
    };
    plan.sources[kPrimary].types = plan.sources[kShadow].types = options.primary_types;
    if (primary.has_columns) {
      plan.sources[kPrimary] = source(primary, options.primary_types);
      plan.name = primary.columns[i].name;
    }
    if (shadow.has_columns) {
      plan.sources[kShadow] = source(shadow, options.shadow_types);
      plan.name = shadow.columns[i].name;
    }
    if (!primary.has_columns) plan.sources[kPrimary] = plan.sources[kShadow];
    if (!shadow.has_columns) plan.sources[kShadow] = plan.sources[kPrimary];
    plan.frozen = Flag(options.frozen_time, i);
    const bool any_binary = plan.sources[kPrimary].format == protocol::Format::binary ||
                            plan.sources[kShadow].format == protocol::Format::binary;
    plan.left_out = Flag(options.ignored, i);
    plan.uncomparable =
        any_binary && !plan.left_out && internal::IsRegType(plan.sources[kPrimary].type_oid);
    plan.left_out |= plan.uncomparable;
  }
  return columns;
}

}  // namespace

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::none:
      return "none";
    case Kind::rows:
      return "rows";
    case Kind::row_count:
      return "row-count";
    case Kind::error:
      return "error";
    case Kind::shadow_error:
      return "shadow-error";
    case Kind::missing_error:
      return "missing-error";
    case Kind::shape:
      return "shape";
  }
  return "none";
}

Comparison Compare(const Observation& primary, const Observation& shadow,
                   const CompareOptions& options) {
  Comparison result;
  if (Failed(primary) || Failed(shadow)) {
    CompareFailures(primary, shadow, &result);
    if (shadow.kind == Observation::Kind::error)
      result.shadow_sqlstate = DecodeErrorFields(shadow.error).sqlstate;
  } else {
    CompareOutcomes(primary, shadow, &result);
    if (result.equal()) CompareTagVerbs(primary, shadow, &result);
    if (result.equal()) CompareColumns(primary, shadow, options, &result);
    if (result.equal()) {
      internal::CompareRows(primary, shadow, PlanColumns(primary, shadow, options), options,
                            &result);
    }
    if (result.equal()) CompareTagCounts(primary, shadow, &result);
  }
  if (!result.equal() && result.primary_example.empty() && result.shadow_example.empty()) {
    result.primary_example = internal::ExampleOfOutcome(primary);
    result.shadow_example = internal::ExampleOfOutcome(shadow);
  }
  return result;
}

}  // namespace pgparity::compare
