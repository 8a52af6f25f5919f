#include "protocol/frontend.h"

#include <utility>

#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::protocol {
namespace {

using Decoded = absl::StatusOr<FrontendMessage>;
using Values = std::vector<std::optional<std::string_view>>;

Decoded Malformed(std::string_view message) {
  return absl::InvalidArgumentError(StrCat("malformed ", message, " message"));
}

// The message when the reader stands at the body's very end.
template <typename Message>
Decoded Finish(const WireReader& reader, std::string_view name, Message message) {
  if (!reader.AtEnd()) return Malformed(name);
  return FrontendMessage(std::move(message));
}

// Counts are unsigned on the wire. None reserves memory before its items have been read.
std::vector<int16_t> ReadFormats(WireReader* reader) {
  std::vector<int16_t> formats;
  for (uint16_t left = reader->ReadUint16(); left > 0 && reader->ok(); --left) {
    formats.push_back(reader->ReadInt16());
  }
  return formats;
}

Values ReadValues(WireReader* reader) {
  Values values;
  for (uint16_t left = reader->ReadUint16(); left > 0 && reader->ok(); --left) {
    const int32_t length = reader->ReadInt32();
    if (length == -1) {
      values.emplace_back();
    } else if (length < 0) {
      reader->Fail();
    } else {
      values.emplace_back(reader->ReadBytes(static_cast<size_t>(length)));
    }
  }
  return values;
}

bool FormatsFit(const std::vector<int16_t>& formats, const Values& values) {
  return formats.size() <= 1 || formats.size() == values.size();
}

Decoded DecodeParse(WireReader reader) {
  frontend::Parse parse;
  parse.statement = reader.ReadCString();
  parse.sql = reader.ReadCString();
  for (uint16_t left = reader.ReadUint16(); left > 0 && reader.ok(); --left) {
    parse.types.push_back(reader.ReadUint32());
  }
  return Finish(reader, "Parse", std::move(parse));
}

Decoded DecodeBind(WireReader reader) {
  frontend::Bind bind;
  bind.portal = reader.ReadCString();
  bind.statement = reader.ReadCString();
  bind.formats = ReadFormats(&reader);
  bind.values = ReadValues(&reader);
  bind.result_formats = ReadFormats(&reader);
  if (!FormatsFit(bind.formats, bind.values)) reader.Fail();
  return Finish(reader, "Bind", std::move(bind));
}

Decoded DecodeFunctionCall(WireReader reader) {
  frontend::FunctionCall call;
  call.function = reader.ReadUint32();
  call.formats = ReadFormats(&reader);
  call.values = ReadValues(&reader);
  call.result_format = reader.ReadInt16();
  if (!FormatsFit(call.formats, call.values)) reader.Fail();
  return Finish(reader, "FunctionCall", std::move(call));
}

template <typename Message>
Decoded DecodeNamed(WireReader reader, std::string_view name) {
  Message message;
  const char kind = static_cast<char>(reader.ReadUint8());
  if (kind != 'S' && kind != 'P') reader.Fail();
  message.kind = static_cast<NamedObject>(kind);
  message.name = reader.ReadCString();
  return Finish(reader, name, message);
}

}  // namespace

absl::StatusOr<FrontendMessage> DecodeFrontend(char tag, std::string_view body) {
  WireReader reader(body);
  switch (tag) {
    case 'Q': {
      const std::string_view sql = reader.ReadCString();
      return Finish(reader, "Query", frontend::Query{sql});
    }
    case 'P':
      return DecodeParse(reader);
    case 'B':
      return DecodeBind(reader);
    case 'D':
      return DecodeNamed<frontend::Describe>(reader, "Describe");
    case 'C':
      return DecodeNamed<frontend::Close>(reader, "Close");
    case 'E': {
      const std::string_view portal = reader.ReadCString();
      const int32_t max_rows = reader.ReadInt32();
      return Finish(reader, "Execute", frontend::Execute{portal, max_rows});
    }
    case 'H':
      return Finish(reader, "Flush", frontend::Flush{});
    case 'S':
      return Finish(reader, "Sync", frontend::Sync{});
    case 'F':
      return DecodeFunctionCall(reader);
    case 'd':
      return FrontendMessage(frontend::CopyData{body});
    case 'c':
      return Finish(reader, "CopyDone", frontend::CopyDone{});
    case 'f': {
      const std::string_view reason = reader.ReadCString();
      return Finish(reader, "CopyFail", frontend::CopyFail{reason});
    }
    case 'p':
      return FrontendMessage(frontend::Password{body});
    case 'X':
      return Finish(reader, "Terminate", frontend::Terminate{});
    default:
      return absl::InvalidArgumentError(StrCat(
          "unknown client message, tag 0x", absl::Hex(static_cast<uint8_t>(tag), absl::kZeroPad2)));
  }
}

}  // namespace pgparity::protocol
