#include "proxy/token.h"

#include <charconv>
#include <cstring>

#include "protocol/check.h"
#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

using protocol::WireReader;
using protocol::WireWriter;

// The numbers of a token in the ring.
struct Numbers {
  uint64_t lsn, xid;
  int64_t now_us;
};

void AppendBindAndExecute(std::string* out) {
  WireWriter writer(out);
  writer.BeginMessage('B').CString(kTokenName).CString(kTokenName);
  writer.Int16(0).Int16(0).Int16(0).EndMessage();
  writer.BeginMessage('E').CString(kTokenName).Int32(0).EndMessage();
}

std::string MakeProbe() {
  std::string out;
  WireWriter writer(&out);
  // Closing what is not there is no error, and preparing what is there would be one.
  writer.BeginMessage('C').Uint8('S').CString(kTokenName).EndMessage();
  writer.BeginMessage('P').CString(kTokenName).CString(TokenSql()).Int16(0).EndMessage();
  AppendBindAndExecute(&out);
  writer.BeginMessage('S').EndMessage();
  return out;
}

std::string MakeMessages() {
  std::string out;
  AppendBindAndExecute(&out);
  return out;
}

// The whole of `text`.
bool ParseNumber(std::string_view text, int base, uint64_t* value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value, base);
  return error == std::errc() && stop == end && !text.empty();
}

// "16/B374D848"
bool ParseLsn(std::string_view text, uint64_t* lsn) {
  const size_t slash = text.find('/');
  uint64_t high = 0, low = 0;
  if (slash == std::string_view::npos || !ParseNumber(text.substr(0, slash), 16, &high) ||
      !ParseNumber(text.substr(slash + 1), 16, &low) || high > UINT32_MAX || low > UINT32_MAX) {
    return false;
  }
  *lsn = high << 32 | low;
  return true;
}

// The next column; nullopt for null. A broken row fails the reader.
std::optional<std::string_view> Column(WireReader* row) {
  const int32_t length = row->ReadInt32();
  if (length == -1) return std::nullopt;
  if (length < 0) row->Fail();
  return row->ReadBytes(length < 0 ? 0 : static_cast<size_t>(length));
}

}  // namespace

std::string_view TokenSql() {
  return "SELECT pg_catalog.pg_current_wal_insert_lsn(), "
         "pg_catalog.pg_current_xact_id_if_assigned(), "
         "pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.now()), 'hex'), "
         "CASE WHEN pg_catalog.left(pg_catalog.current_setting('transaction_isolation'), 5) "
         "OPERATOR(pg_catalog.=) 'read ' THEN NULL ELSE pg_catalog.pg_current_snapshot() END";
}

std::string_view TokenProbeMessages() {
  static const std::string& messages = *new std::string(MakeProbe());
  return messages;
}

std::string_view TokenMessages() {
  static const std::string& messages = *new std::string(MakeMessages());
  return messages;
}

std::optional<TokenValues> DecodeTokenRow(std::string_view body) {
  WireReader row(body);
  if (row.ReadInt16() != 4) return std::nullopt;
  const auto lsn = Column(&row), xid = Column(&row), now = Column(&row), snapshot = Column(&row);
  if (!row.AtEnd() || !lsn || !now || now->size() != 16) return std::nullopt;
  TokenValues token;
  uint64_t now_bits = 0;
  if (!ParseLsn(*lsn, &token.lsn) || !ParseNumber(*now, 16, &now_bits)) return std::nullopt;
  if (xid && !ParseNumber(*xid, 10, &token.xid)) return std::nullopt;
  token.now_us = static_cast<int64_t>(now_bits);
  token.snapshot = snapshot.value_or(std::string_view());
  return token;
}

void EncodeToken(const TokenValues& token, std::string* out) {
  const Numbers numbers{token.lsn, token.xid, token.now_us};
  out->append(reinterpret_cast<const char*>(&numbers), sizeof(numbers));
  out->append(token.snapshot);
}

shadow::LsnToken DecodeToken(std::string_view payload) {
  Numbers numbers;
  PGPARITY_CHECK(payload.size() >= sizeof(numbers));
  std::memcpy(&numbers, payload.data(), sizeof(numbers));
  return {numbers.lsn, numbers.xid, numbers.now_us, std::string(payload.substr(sizeof(numbers)))};
}

}  // namespace pgparity::proxy
