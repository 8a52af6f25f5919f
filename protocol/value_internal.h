// The codecs that value.cc chooses from, by family. Private to value*.cc.
// All append a canonical form to `out`; where a codec returns false or Outcome::malformed, what it
// appended is to be thrown away.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/value.h"

namespace pgparity::protocol::value_internal {

enum class Outcome : uint8_t { typed, untyped, malformed };

inline Outcome TypedIf(bool ok) { return ok ? Outcome::typed : Outcome::malformed; }
inline Outcome Worse(Outcome a, Outcome b) { return a > b ? a : b; }

struct Context {
  const TypeResolver& types;
  const TextSettings& settings;
};

// Containers within containers (records choose their field types themselves) end here.
inline constexpr int kMaxDepth = 24;

// value.cc
Outcome AppendCanonical(std::string_view value, uint32_t type_oid, Format format,
                        const Context& context, int depth, std::string* out);
// The value as given, marked with its format.
Outcome AppendUntyped(std::string_view value, Format format, std::string* out);
TypeInfo ResolveType(uint32_t type_oid, const TypeResolver& types);

// value_numeric.cc
bool AppendBool(std::string_view value, Format format, std::string* out);
// `bits` is 16, 32 or 64.
bool AppendInteger(std::string_view value, Format format, int bits, bool is_signed,
                   std::string* out);
bool AppendFloat(std::string_view value, Format format, bool is_double, std::string* out);
void AppendDouble(double value, std::string* out);
bool AppendNumeric(std::string_view value, Format format, std::string* out);
bool AppendNumericText(std::string_view text, std::string* out);

// value_datetime.cc. `Outcome::untyped`: the text does not say the value by itself.
inline constexpr int64_t kMicrosecondsPerDay = 86'400'000'000;
Outcome AppendDateTime(std::string_view value, uint32_t type_oid, Format format,
                       const TextSettings& settings, std::string* out);
// From the canonical form to ISO text; the form itself where it is none.
std::string DisplayDateTime(std::string_view canonical, uint32_t type_oid);

// value_text.cc. Debian's abseil has a string_view of its own, so these are not taken from it.
// The whole text as a decimal number, with an optional sign.
bool ParseInt64(std::string_view text, int64_t* value);
// At single spaces; as many parts as spaces and one more, at most `limit` (then the last has the
// rest).
std::vector<std::string_view> SplitAtSpaces(std::string_view text, size_t limit);
bool ContainsIgnoringCase(std::string_view text, std::string_view lower_case_part);
std::string HexText(std::string_view bytes);

// value_interval.cc
bool AppendInterval(std::string_view value, Format format, std::string* out);
std::string DisplayInterval(std::string_view canonical);
// "[-+]H:MM:SS[.ffffff]" with hours of any size; nullopt when malformed.
std::optional<int64_t> ParseClock(std::string_view text);
// "HH:MM:SS[.ffffff]", hours of any size, with a sign when negative.
void AppendClock(int64_t microseconds, std::string* out);

// value_json.cc
bool AppendJsonb(std::string_view value, Format format, std::string* out);

// value_array.cc, value_composite.cc
Outcome AppendArray(std::string_view value, const TypeInfo& type, Format format,
                    const Context& context, int depth, std::string* out);
// int2vector and oidvector.
bool AppendVector(std::string_view value, uint32_t element, Format format, std::string* out);
Outcome AppendComposite(std::string_view value, const TypeInfo& type, Format format,
                        const Context& context, int depth, std::string* out);
Outcome AppendRange(std::string_view value, uint32_t subtype, Format format, const Context& context,
                    int depth, std::string* out);
Outcome AppendMultirange(std::string_view value, uint32_t range_oid, Format format,
                         const Context& context, int depth, std::string* out);

// value_misc.cc
bool AppendBytea(std::string_view value, Format format, std::string* out);
bool AppendUuid(std::string_view value, Format format, std::string* out);
bool AppendNetwork(std::string_view value, Format format, bool is_cidr, std::string* out);
bool AppendMac(std::string_view value, Format format, size_t bytes, std::string* out);
bool AppendBits(std::string_view value, Format format, std::string* out);
bool AppendSingleChar(std::string_view value, Format format, std::string* out);
bool AppendTid(std::string_view value, Format format, std::string* out);
bool AppendLsn(std::string_view value, Format format, std::string* out);
// value_geometry.cc: point, lseg, path, box, polygon, line, circle.
bool IsGeometric(uint32_t type_oid);
bool AppendGeometric(std::string_view value, uint32_t type_oid, Format format, std::string* out);

// One part of an array, record or range in text: reads it from the front of `text`, up to but not
// including a delimiter. In quotes `\x` is x, and, if `doubling`, `""` is a quote. `quoted` tells
// "" from nothing. False when it is malformed.
bool TakeToken(std::string_view* text, std::string_view delimiters, bool doubling,
               std::string* token, bool* quoted);

// A part with its length before it.
Outcome AppendPart(std::string_view value, uint32_t type_oid, Format format, const Context& context,
                   int depth, std::string* out);

}  // namespace pgparity::protocol::value_internal
