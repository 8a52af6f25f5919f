#include "shadow/code_risk.h"

#include "absl/container/flat_hash_set.h"
#include "shadow/code_words.h"
#include "shadow/replay_rules.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {

namespace {

// Rounds until names reach no further; a chain of calls may be longer than any that people write.
constexpr int kMaxRounds = 100;

}  // namespace

bool CodeFinding::Merge(const CodeFinding& other) {
  const bool news = (reason.empty() && !other.reason.empty()) || (!opaque && other.opaque) ||
                    (!secdef && other.secdef) || (!foreign && other.foreign) ||
                    (!sets && other.sets) || (!relexes && other.relexes) ||
                    (!defines && other.defines);
  if (reason.empty()) reason = other.reason;
  opaque = opaque || other.opaque;
  secdef = secdef || other.secdef;
  foreign = foreign || other.foreign;
  sets = sets || other.sets;
  relexes = relexes || other.relexes;
  defines = defines || other.defines;
  return news;
}

bool IsUntrustedLanguage(std::string_view name) {
  const std::string lower = Lower(name);
  return lower == "c" || lower == "internal" || lower.starts_with("plpython") ||
         lower == "plperlu" || lower == "pltclu" || lower == "plsh" || lower == "plr" ||
         lower == "pljavau" || lower == "plrust" || lower == "pllua" || lower == "plluau";
}

CodeFinding LookAtCode(std::string_view language, std::string_view code) {
  CodeFinding finding;
  if (language.empty() || SameWord(language, "plpgsql") || SameWord(language, "sql"))
    return LookAtCode(code);
  if (IsUntrustedLanguage(language)) finding.reason = "untrusted-language";
  finding.opaque = true;
  return finding;
}

CodeRisks::CodeRisks(const std::vector<Piece>& pieces) {
  auto note = [this](const Piece& piece, CodeFinding finding) {
    if (!finding.any()) return false;
    if (finding.opaque) {
      finding.secdef = finding.secdef || piece.secdef;
      finding.foreign = finding.foreign || piece.foreign;
    }
    switch (piece.kind) {
      case Piece::Kind::function:
        return functions_[piece.name].Merge(finding);
      case Piece::Kind::relation:
        return relations_[piece.name].Merge(finding);
      case Piece::Kind::anything:
        return everything_.Merge(finding);
      case Piece::Kind::ddl:
        return ddl_.Merge(finding);
    }
    return false;
  };
  for (const Piece& piece : pieces) {
    CodeFinding finding = piece.known;
    finding.Merge(LookAtCode(piece.text));
    note(piece, finding);
  }
  bool more = !empty();
  for (int round = 0; more; ++round) {
    more = false;
    for (const Piece& piece : pieces) more = note(piece, Reached(piece.text, true)) || more;
    if (round < kMaxRounds) continue;
    everything_.opaque = everything_.foreign = true;
    break;
  }
}

CodeFinding CodeRisks::Reached(std::string_view sql, bool code) const {
  CodeFinding finding = everything_;
  if (empty()) return finding;
  ForEachWord(sql, code ? kMaxCodeNesting : 0, [&](const CodeWord& word) {
    if (word.unicode) finding.opaque = finding.foreign = true;
    if (code || word.call || word.behind_dot) {
      if (const auto it = functions_.find(word.text); it != functions_.end())
        finding.Merge(it->second);
    }
    if (const auto it = relations_.find(word.text); it != relations_.end())
      finding.Merge(it->second);
  });
  return finding;
}

}  // namespace pgparity::shadow
