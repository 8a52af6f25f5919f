#include "proxy/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/support/temp_dir.h"

namespace pgparity::proxy {
namespace {

enum class Passed : uint8_t { listener, unbound };

// As a service manager would start this process: descriptor 3, and the environment. Runs in a
// process of its own; exits with the number of sockets taken, 100 for an error.
[[noreturn]] void TakeAs(Passed passed, bool ours, const char* count) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (passed == Passed::listener) listen(fd, 1);
  dup2(fd, 3);
  setenv("LISTEN_PID", std::to_string(ours ? getpid() : getppid()).c_str(), 1);
  setenv("LISTEN_FDS", count, 1);
  const auto taken = TakePassedSockets();
  if (std::getenv("LISTEN_FDS") != nullptr) std::_Exit(101);
  if (!taken.ok()) std::_Exit(100);
  for (const int socket : *taken) {
    if ((fcntl(socket, F_GETFL) & O_NONBLOCK) == 0) std::_Exit(102);
    if ((fcntl(socket, F_GETFD) & FD_CLOEXEC) == 0) std::_Exit(103);
  }
  std::_Exit(static_cast<int>(taken->size()));
}

TEST(ServiceManager, AListeningSocketIsTaken) {
  EXPECT_EXIT(TakeAs(Passed::listener, true, "1"), testing::ExitedWithCode(1), "");
}

TEST(ServiceManager, WhatWasPassedToAnotherProcessIsNotOurs) {
  EXPECT_EXIT(TakeAs(Passed::listener, false, "1"), testing::ExitedWithCode(0), "");
}

TEST(ServiceManager, ASocketThatDoesNotListenIsAnError) {
  EXPECT_EXIT(TakeAs(Passed::unbound, true, "1"), testing::ExitedWithCode(100), "");
}

TEST(ServiceManager, AnAbsurdNumberIsAnError) {
  EXPECT_EXIT(TakeAs(Passed::listener, true, "65"), testing::ExitedWithCode(100), "");
}

TEST(ServiceManager, TheManagerIsToldOnItsSocket) {
  const support::TempDir dir;
  const std::string path = dir.Path("notify");
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  NotifyServiceManager("READY=1");
  unsetenv("NOTIFY_SOCKET");
  NotifyServiceManager("STOPPING=1");
  char received[64];
  const ssize_t size = recv(fd, received, sizeof(received), MSG_DONTWAIT);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(received, static_cast<size_t>(size)), "READY=1");
  EXPECT_LT(recv(fd, received, sizeof(received), MSG_DONTWAIT), 0);
  close(fd);
}

}  // namespace
}  // namespace pgparity::proxy
