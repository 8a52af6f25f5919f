// Messages of the client after the startup packet (PostgreSQL protocol, "Message Formats", F).
// Every view points into the body that was decoded.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::protocol {

// What Describe and Close name, as the wire spells it.
enum class NamedObject : char { statement = 'S', portal = 'P' };

namespace frontend {

struct Query {
  std::string_view sql;
};
struct Parse {
  std::string_view statement;  // "" is the unnamed one
  std::string_view sql;
  std::vector<uint32_t> types;  // of the first parameters; 0 leaves a type open
};
struct Bind {
  std::string_view portal;
  std::string_view statement;
  std::vector<int16_t> formats;  // as sent: none, one for all, or one a value
  std::vector<std::optional<std::string_view>> values;  // nullopt is NULL
  std::vector<int16_t> result_formats;  // as sent: none, one for all, or one a column
};
struct Describe {
  NamedObject kind = NamedObject::statement;
  std::string_view name;
};
struct Close {
  NamedObject kind = NamedObject::statement;
  std::string_view name;
};
struct Execute {
  std::string_view portal;
  int32_t max_rows = 0;  // 0 or less: no limit
};
struct Flush {};
struct Sync {};
struct FunctionCall {
  uint32_t function = 0;
  std::vector<int16_t> formats;
  std::vector<std::optional<std::string_view>> values;
  int16_t result_format = 0;
};
struct CopyData {
  std::string_view data;
};
struct CopyDone {};
struct CopyFail {
  std::string_view reason;
};
// PasswordMessage, SASLInitialResponse, SASLResponse or GSSResponse: one tag, told apart by the
// server's request alone. A secret.
struct Password {
  std::string_view secret;
};
struct Terminate {};

}  // namespace frontend

using FrontendMessage =
    std::variant<frontend::Query, frontend::Parse, frontend::Bind, frontend::Describe,
                 frontend::Close, frontend::Execute, frontend::Flush, frontend::Sync,
                 frontend::FunctionCall, frontend::CopyData, frontend::CopyDone, frontend::CopyFail,
                 frontend::Password, frontend::Terminate>;

// Decodes a message's body (behind its length word). Error: InvalidArgument for an unknown tag and
// for a body that the server would refuse as malformed, bytes too many included. The error never
// quotes the body.
absl::StatusOr<FrontendMessage> DecodeFrontend(char tag, std::string_view body);

}  // namespace pgparity::protocol
