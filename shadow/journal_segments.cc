#include "shadow/journal_segments.h"

#include <algorithm>

#include "protocol/text.h"

namespace pgparity::shadow {
namespace {

absl::Status WithPath(const absl::Status& status, const std::string& path) {
  return absl::Status(status.code(),
                      protocol::ToAbsl(protocol::StrCat(path, ": ", protocol::MessageOf(status))));
}

}  // namespace

absl::StatusOr<std::vector<Position>> ListSegments(FileSystem* files,
                                                   const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names = files->List(directory);
  if (!names.ok()) return names.status();
  std::vector<Position> starts;
  for (const std::string& name : *names) {
    if (const std::optional<Position> start = ParseSegmentName(name)) starts.push_back(*start);
  }
  std::sort(starts.begin(), starts.end());
  return starts;
}

absl::StatusOr<OpenSegment> OpenSegmentAt(FileSystem* files, const std::string& directory,
                                          Position start) {
  OpenSegment segment;
  segment.path = directory + "/" + SegmentName(start);
  absl::StatusOr<std::unique_ptr<File>> file = files->OpenForReading(segment.path);
  if (!file.ok()) return file.status();
  segment.file = *std::move(file);
  std::string bytes(kSegmentHeaderSize, '\0');
  const absl::StatusOr<size_t> read = segment.file->ReadAt(0, bytes.data(), bytes.size());
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
  if (!header.ok()) return WithPath(header.status(), segment.path);
  if (header->start != start) {
    return absl::DataLossError(
        protocol::StrCat(segment.path, ": its header says that it begins at ", header->start));
  }
  segment.header = *std::move(header);
  return segment;
}

absl::StatusOr<bool> OnlyZerosFrom(File* file, uint64_t offset) {
  std::string chunk;
  while (true) {
    chunk.resize(1 << 20);
    const absl::StatusOr<size_t> read = file->ReadAt(offset, chunk.data(), chunk.size());
    if (!read.ok()) return read.status();
    if (*read == 0) return true;
    if (std::any_of(chunk.data(), chunk.data() + *read, [](char byte) { return byte != 0; }))
      return false;
    offset += *read;
  }
}

}  // namespace pgparity::shadow
