// The LSN token (DESIGN, "Ordering"): what it asks the primary, the messages that ask it, and what
// comes back. A named prepared statement of every session under `--ordering exact`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shadow/unit.h"

namespace pgparity::proxy {

// Of the statement and of the portal.
inline constexpr std::string_view kTokenName = "pgparity_token";
// As a statement of a simple Query.
inline constexpr std::string_view kTokenExecute = "EXECUTE pgparity_token";

// The statement's text. Its values come as text, in a form that no setting changes: the insert
// LSN; the xid or null; now() as eight bytes in hexadecimal; the snapshot, null unless the
// isolation level is REPEATABLE READ or SERIALIZABLE.
std::string_view TokenSql();
// Close, Parse, Bind, Execute, Sync: prepares it, and tries it in a transaction of its own.
std::string_view TokenProbeMessages();
// Bind, Execute: for an exchange of the extended protocol that goes on behind it.
std::string_view TokenMessages();

// A token as it passes. The view is of the bytes that it was read from.
struct TokenValues {
  uint64_t lsn = 0, xid = 0;
  int64_t now_us = 0;
  std::string_view snapshot;
};

// Of a DataRow's body; nullopt for what the statement cannot have answered.
std::optional<TokenValues> DecodeTokenRow(std::string_view body);

// As the ring carries it: appended to `*out`. Decoding takes only what was encoded.
void EncodeToken(const TokenValues& token, std::string* out);
shadow::LsnToken DecodeToken(std::string_view payload);

}  // namespace pgparity::proxy
