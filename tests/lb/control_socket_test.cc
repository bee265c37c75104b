// The control socket: who gets in, lines in pieces, and what a client may fill.
#include "apps/lb/control_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/temporary_folder.h"

namespace viaduct::lb {
namespace {

class Sockets : public testing::Test {
 protected:
  std::unique_ptr<ControlSocket> open() {
    auto opened = ControlSocket::open(path, [](std::string_view line) { return "<" + std::string(line) + ">"; });
    EXPECT_TRUE(opened) << opened.error();
    return opened ? std::move(*opened) : nullptr;
  }
  int connect_to() {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strcpy(address.sun_path, path.c_str());
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    clients.push_back(client);
    return client;
  }
  static void say(int client, std::string_view text) {
    ASSERT_EQ(send(client, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  static std::string hear(int client) {
    char bytes[4096];
    const ssize_t count = recv(client, bytes, sizeof bytes, 0);
    return count <= 0 ? "" : std::string(bytes, static_cast<size_t>(count));
  }
  void TearDown() override {
    for (const int client : clients) close(client);
  }

  TemporaryFolder folder;
  std::string path = folder / "lb.sock";
  std::vector<int> clients;
};

TEST_F(Sockets, IsForItsOwnerAlone) {
  const auto socket = open();
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(Sockets, AnswersLinesHoweverTheyCome) {
  const auto socket = open();
  const int client = connect_to();
  say(client, "one\ntw");
  socket->serve();
  EXPECT_EQ(hear(client), "<one>\n");
  say(client, "o\n\nthree\n");
  socket->serve();
  EXPECT_EQ(hear(client), "<two>\n<three>\n");
}

TEST_F(Sockets, AnswersWhoHasFinishedSpeaking) {
  const auto socket = open();
  const int client = connect_to();
  say(client, "last\n");
  shutdown(client, SHUT_WR);
  socket->serve();
  EXPECT_EQ(hear(client), "<last>\n");
  EXPECT_EQ(socket->clients(), 0u);
}

TEST_F(Sockets, PutsOutWhoSendsALineWithoutAnEnd) {
  const auto socket = open();
  const int client = connect_to();
  const std::string piece(65536, 'x');
  for (size_t sent = 0; sent <= ControlSocket::kMostLine + piece.size(); sent += piece.size()) {
    if (send(client, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
    socket->serve();
  }
  EXPECT_EQ(socket->clients(), 0u);
  const int next = connect_to();
  say(next, "hello\n");
  socket->serve();
  EXPECT_EQ(hear(next), "<hello>\n");
}

TEST_F(Sockets, PutsOutWhoNeverReads) {
  const auto socket = open();
  const int client = connect_to();
  const std::string line = std::string(60'000, 'y') + '\n';
  for (int i = 0; i < 2000 && (i == 0 || socket->clients() > 0); ++i) {
    if (send(client, line.data(), line.size(), MSG_NOSIGNAL) < 0) break;
    socket->serve();
  }
  EXPECT_EQ(socket->clients(), 0u);
}

TEST_F(Sockets, TakesSoManyClientsAtATime) {
  const auto socket = open();
  std::vector<int> many;
  for (size_t i = 0; i <= ControlSocket::kMostClients; ++i) many.push_back(connect_to());
  socket->serve();
  EXPECT_EQ(socket->clients(), ControlSocket::kMostClients);
  say(many.back(), "waiting\n");
  close(many.front());
  clients.erase(clients.begin());
  socket->serve();
  socket->serve();
  EXPECT_EQ(hear(many.back()), "<waiting>\n");
}

TEST_F(Sockets, ReplacesALeftOverAndNothingElse) {
  {
    const auto socket = open();
    const auto second = ControlSocket::open(path, [](std::string_view) { return std::string(); });
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("another process"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::strcpy(address.sun_path, path.c_str());
  const int gone = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(gone, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(gone);
  EXPECT_TRUE(open());
  std::ofstream(path) << "precious";
  const auto refused = ControlSocket::open(path, [](std::string_view) { return std::string(); });
  ASSERT_FALSE(refused);
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(ControlSocket::open(std::string(200, 'a'), [](std::string_view) { return std::string(); }));
}

}  // namespace
}  // namespace viaduct::lb
