#include "proxy/relay_login.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <variant>
#include <vector>

#include "protocol/authentication.h"
#include "protocol/scram.h"
#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

using protocol::WireReader;
using protocol::WireWriter;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// What the server reports of itself: nothing that SET would take.
bool IsSetting(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kReports = {
      "server_version", "server_encoding",       "integer_datetimes", "is_superuser",
      "in_hot_standby", "session_authorization", "scram_iterations"};
  return std::find(kReports.begin(), kReports.end(), name) == kReports.end();
}

// The `options` parameter as the server splits it: at spaces, a backslash taking the next character
// as it is (pg_split_opts).
std::vector<std::string> SplitOptions(std::string_view options) {
  std::vector<std::string> words;
  for (size_t i = 0; i < options.size();) {
    if (std::isspace(static_cast<unsigned char>(options[i])) != 0) {
      ++i;
      continue;
    }
    std::string& word = words.emplace_back();
    for (; i < options.size() && std::isspace(static_cast<unsigned char>(options[i])) == 0; ++i) {
      if (options[i] == '\\' && ++i == options.size()) break;
      word.push_back(options[i]);
    }
  }
  return words;
}

// -c name=value, -cname=value and --name=value; a dash in a name stands for an underscore.
void AddOptions(std::string_view options, shadow::Settings* settings) {
  const std::vector<std::string> words = SplitOptions(options);
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "-c" && i + 1 < words.size()) {
      word = words[++i];
    } else if (word.substr(0, 2) == "-c" || word.substr(0, 2) == "--") {
      word.remove_prefix(2);
    } else {
      continue;
    }
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    std::string name = Lower(word.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    (*settings)[name] = std::string(word.substr(equals + 1));
  }
}

// An AuthenticationSASL offer without SCRAM-SHA-256-PLUS; any other message as it is.
std::string WithoutPlus(std::string_view message, std::string_view body) {
  const absl::StatusOr<protocol::BackendMessage> decoded = protocol::DecodeBackend('R', body);
  if (!decoded.ok()) return std::string(message);
  const auto& authentication = std::get<protocol::backend::Authentication>(*decoded);
  if (authentication.kind != protocol::backend::AuthenticationKind::sasl) {
    return std::string(message);
  }
  std::vector<std::string_view> mechanisms = authentication.mechanisms;
  std::erase(mechanisms, protocol::kScramSha256Plus);
  std::string offer;
  protocol::AppendSaslOffer(&offer, mechanisms);
  return offer;
}

void PutText(std::string_view text, WireWriter* writer) {
  writer->Uint32(static_cast<uint32_t>(text.size())).Bytes(text);
}

std::string GetText(WireReader* reader) {
  const uint32_t size = reader->ReadUint32();
  return std::string(reader->ReadBytes(size));
}

}  // namespace

Login::Step LoginRelay::Start(std::function<void()>) {
  Step step;
  step.next = Next::connect;
  return step;
}

Login::Step LoginRelay::Connected(const Channel& primary) {
  hide_plus_ = primary.tls && !client_tls_;
  two_channels_ = primary.tls && client_tls_;
  return {};
}

Login::Step LoginRelay::FromClient(std::string_view bytes) {
  Step step;
  while (step.next == Next::more) {
    const std::string_view rest = bytes.substr(step.taken);
    // Passwords and SASL and GSS responses; anything else is sent ahead of the login's end.
    if (!rest.empty() && rest[0] != 'p') {
      step.next = Next::hold;
      break;
    }
    const std::optional<LoginFrame> frame = ReadLoginFrame(rest, kMaxFrame);
    if (frame && frame->bad) step.next = Next::bad_frame;
    if (!frame || !frame->whole) break;
    step.taken += frame->wire_length;
    if (two_channels_ && complain_ != nullptr &&
        frame->body.substr(0, protocol::kScramSha256Plus.size()) == protocol::kScramSha256Plus) {
      complain_(
          "with TLS on both sides, --auth pass fails for clients that use channel binding, and one "
          "does: see --auth url and scram");
    }
  }
  step.to_primary = bytes.substr(0, step.taken);
  return step;
}

Login::Step LoginRelay::FromServer(std::string_view bytes) {
  Step step;
  while (step.next == Next::more) {
    const std::string_view rest = bytes.substr(step.taken);
    const std::optional<LoginFrame> frame = ReadLoginFrame(rest, kMaxFrame, kMaxErrorFrame);
    if (frame && frame->bad) step.next = Next::bad_frame;
    if (!frame || !frame->whole) break;
    if (hide_plus_ && frame->tag == 'R') {
      step.to_client += WithoutPlus(rest.substr(0, frame->wire_length), frame->body);
    } else {
      step.to_client += rest.substr(0, frame->wire_length);
    }
    step.taken += frame->wire_length;
    facts_.Note(frame->tag, frame->body);
    if (frame->tag == 'Z') step.next = Next::logged_in;
  }
  return step;
}

shadow::SessionInfo MakeSessionInfo(const protocol::StartupMessage& startup,
                                    const std::map<std::string, std::string>& parameters) {
  shadow::SessionInfo info;
  info.user = std::string(startup.user());
  info.database = std::string(startup.database());
  info.replication = startup.replication();
  AddOptions(startup.Get("options"), &info.startup);
  for (const auto& [name, value] : startup.parameters) {
    if (name == "user" || name == "database" || name == "options" || name == "replication" ||
        name.rfind("_pq_.", 0) == 0) {
      continue;
    }
    info.startup[Lower(name)] = value;
  }
  for (const auto& [name, value] : parameters) {
    const std::string lower = Lower(name);
    if (IsSetting(lower)) info.startup[lower] = value;
  }
  if (const auto found = info.startup.find("application_name"); found != info.startup.end()) {
    info.application = found->second;
  }
  return info;
}

std::string EncodeSessionInfo(const shadow::SessionInfo& info) {
  std::string out;
  WireWriter writer(&out);
  writer.Uint8(info.replication ? 1 : 0);
  PutText(info.user, &writer);
  PutText(info.database, &writer);
  PutText(info.application, &writer);
  for (const auto& [name, value] : info.startup) {
    PutText(name, &writer);
    PutText(value, &writer);
  }
  return out;
}

shadow::SessionInfo DecodeSessionInfo(std::string_view bytes) {
  WireReader reader(bytes);
  shadow::SessionInfo info;
  info.replication = reader.ReadUint8() != 0;
  info.user = GetText(&reader);
  info.database = GetText(&reader);
  info.application = GetText(&reader);
  while (reader.remaining() != 0) {
    std::string name = GetText(&reader);
    std::string value = GetText(&reader);
    if (!reader.ok()) break;
    info.startup[std::move(name)] = std::move(value);
  }
  return info;
}

}  // namespace pgparity::proxy
