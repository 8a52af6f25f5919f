#include "compare/report_format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/time/time.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;

struct Advice {
  std::string_view code, text;
};

constexpr Advice kGapAdvice[] = {
    {"start-not-equal",
     "the tables named were not equal when the shadowing began: make them equal (dump and restore "
     "while nothing writes), then start with another --data-dir"},
    {"unseeded", "the tables were not counted at the start: start with --start-check on"},
    {"ring-full",
     "the capture could not follow the traffic: raise --ring-size, or give the machine another "
     "core"},
    {"ring-lost", "the ring was gone after a reboot: what was in it was not shadowed"},
    {"journal-full", "there was no room for the journal: free some, or move --data-dir"},
    {"journal-corrupt", "a record of the journal could not be read: see `pgparity journal verify`"},
    {"tracker-lost",
     "a session's protocol could not be followed: report the statement before it as a bug"},
    {"replication-connection",
     "replication went through the proxy, where it is not shadowed: connect it to the primary "
     "directly"},
    {"large-object", "large objects are not shadowed: copy them to the shadow another way"},
    {"server-file", "a statement read a file of the primary's server: load that data another way"},
    {"database-without-shadow",
     "sessions of that database were not shadowed: make it on the shadow as a copy, or raise "
     "--shadow-databases, and soak anew; or name one database in --shadow"},
    {"primary-changed",
     "the primary was replaced (a failover, a restore): compare the tables, make the shadow equal, "
     "and "
     "soak anew"},
    {"opaque-code",
     "code that makes its own SQL is not run on the shadow as a superuser, as a member of other "
     "roles or under a role of SET ROLE: give the shadow's URL an ordinary role (README, Roles)"},
    {"code-escaped",
     "code did on the shadow what no statement of a client may, and was rolled back: run it on "
     "both "
     "sides by hand"},
    {"role-over-connections",
     "a transaction changed to a role with connections of its own: map both roles alike"},
    {"nonstandard-text",
     "strings are read differently with standard_conforming_strings off, or in that client "
     "encoding: change the session's setting"},
    {"extension", "make the extension on the shadow by hand, where it is wanted"},
    {"shadow-set-back",
     "the shadow was made anew or restored from a backup during the soak: seed it and soak anew"},
    {"unknown-gid",
     "a transaction prepared before the shadowing began was ended: soak anew with none prepared"},
};

constexpr Advice kDivergenceAdvice[] = {
    {"rows",
     "compare the row on both sides (--reveal shows the values), and find the write that made "
     "it differ: a trigger, a default, a type, or a change made outside the proxy"},
    {"row-count",
     "rows are missing or too many on the shadow: look for writes that did not go through "
     "the proxy, for triggers, and for an unequal start"},
    {"error", "both sides failed, with different errors: compare constraints and versions"},
    {"shadow-error",
     "the shadow refused what the primary did: compare constraints, types, extensions "
     "and the rights of the shadow's role"},
    {"missing-error",
     "the primary refused what the shadow did: a constraint or unique index is missing "
     "on the shadow"},
    {"shape", "the columns of the answer differ: compare the definitions of the tables named"},
};

template <size_t n>
std::string_view Find(const Advice (&table)[n], std::string_view code, std::string_view otherwise) {
  const auto* found =
      std::find_if(table, table + n, [code](const Advice& advice) { return advice.code == code; });
  return found == table + n ? otherwise : found->text;
}

}  // namespace

std::string Thousands(uint64_t n) {
  std::string digits = std::to_string(n);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string Plural(uint64_t n, std::string_view one, std::string_view many) {
  if (n == 1) return StrCat("1 ", one);
  return many.empty() ? StrCat(Thousands(n), " ", one, "s") : StrCat(Thousands(n), " ", many);
}

std::string Percent(double share) {
  double percent = std::round(share * 1000) / 10;
  if (share < 1 && percent >= 100) percent = 99.9;
  if (share > 0 && percent <= 0) return "under 0.1%";
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g%%", percent);
  return text;
}

std::string FormatSeconds(double seconds) {
  const auto total = static_cast<int64_t>(std::max(0.0, seconds));
  const int64_t hours = total / 3600;
  const int64_t minutes = total / 60 % 60;
  std::string text;
  if (hours > 0) text += StrCat(hours, "h");
  if (minutes > 0) text += StrCat(text.empty() ? "" : " ", minutes, "m");
  if ((total % 60 > 0 && hours == 0) || text.empty()) {
    text += StrCat(text.empty() ? "" : " ", total % 60, "s");
  }
  return text;
}

std::string FormatTime(int64_t us) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMicros(us), absl::UTCTimeZone());
}

std::string Shorten(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xc0) == 0x80) --limit;
  return StrCat(text.substr(0, limit), "...");
}

std::string_view GapAdvice(std::string_view reason) {
  return Find(kGapAdvice, reason,
              "what was written meanwhile may be missing on the shadow: make it equal again, then "
              "soak anew with another --data-dir");
}

std::string_view DivergenceAdvice(std::string_view cls, std::string_view kind) {
  if (cls == "ambiguous") {
    return "units that overlap wrote the same rows, and either order explains it: no fault is "
           "shown";
  }
  if (cls == "consequence") return "correct the divergence that it follows from";
  return Find(kDivergenceAdvice, kind, "compare both sides (--reveal shows the values)");
}

}  // namespace pgparity::compare
