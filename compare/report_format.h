// How reports write numbers and times.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgparity::compare {

// "1 gap", "3 gaps"; thousands are set apart.
std::string Plural(uint64_t n, std::string_view one, std::string_view many = "");
std::string Thousands(uint64_t n);          // "1,234,567"
std::string Percent(double share);          // "99.9%"; never rounded up to 100%, nor down to 0%
std::string FormatSeconds(double seconds);  // "48h", "5m 12s", "0s"
std::string FormatTime(int64_t us);         // RFC 3339 in UTC with milliseconds
std::string Shorten(std::string_view text, size_t limit);  // with "..." where it is cut

// What to do about a gap of this reason, or a divergence of this kind; never empty.
std::string_view GapAdvice(std::string_view reason);
std::string_view DivergenceAdvice(std::string_view cls, std::string_view kind);

}  // namespace pgparity::compare
