// viaduct-load: measures HTTP/3 servers with the engine's client role on DPDK ports.
#include <filesystem>
#include <format>
#include <fstream>
#include <iostream>

#include "apps/load/command_line.h"
#include "apps/load/program.h"
#include "apps/settings/program_start.h"
#include "base/huge_page_memory.h"
#include "base/log.h"

namespace viaduct::load {
namespace {

int fail(const std::string& what) {
  std::cerr << "viaduct-load: " << what << '\n';
  return 1;
}

// The last part of the URL's path, for a file's name.
std::string name_of(const Url& url) {
  const std::string path = url.path.substr(0, url.path.find('?'));
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.empty() ? "index.html" : name;
}

int save(const Config& config, const Results& results, const std::vector<Driver::Fetched>& fetched) {
  bool is_good = true;
  for (size_t i = 0; i < fetched.size(); ++i) {
    const Driver::Fetched& one = fetched[i];
    std::filesystem::path file = config.save;
    if (config.urls.size() > 1 || std::filesystem::is_directory(file)) file /= name_of(config.urls[i]);
    std::ofstream out(file, std::ios::binary);
    out << one.body;
    out.close();
    if (!out) return fail(std::format("cannot write '{}'", file.string()));
    if (config.show_head) std::cout << one.head;
    if (one.is_complete && one.status < 400) continue;
    is_good = false;
    std::cerr << std::format("viaduct-load: {}: {}\n", config.urls[i].path,
                             one.status >= 400              ? std::format("status {}", one.status)
                             : results.last_problem.empty() ? "not within the time"
                                                            : results.last_problem);
  }
  return is_good ? 0 : 1;
}

int report(const Config& config, const Results& results) {
  if (config.json_file != "-") std::cout << results.text(config);
  if (results.is_good(config)) return 0;
  const Totals& seen = results.measured;
  if (seen.requests_failed + seen.handshakes_failed + seen.connections_lost == 0) return fail("nothing was done");
  return fail(std::format("{} requests and {} handshakes failed, {} connections were lost{}", seen.requests_failed,
                          seen.handshakes_failed, seen.connections_lost,
                          results.last_problem.empty() ? "" : "; the last: " + results.last_problem));
}

bool write_json(const Config& config, const Results& results) {
  if (config.json_file.empty()) return true;
  const std::string json = results.json(config);
  if (config.json_file == "-") {
    std::cout << json << '\n';
    return true;
  }
  std::ofstream out(config.json_file);
  out << json << '\n';
  out.close();
  return static_cast<bool>(out);
}

int run(const Config& config) {
  settings::block_signals();
  set_log_level(LogLevel::kWarning);
  auto eal = settings::start_eal(config.eal, config.device);
  if (!eal) return fail(eal.error());
  use_huge_pages();
  auto program = Program::start(config);
  if (!program) return fail(program.error());
  const Results results = (*program)->run();
  if (!write_json(config, results)) return fail(std::format("cannot write '{}'", config.json_file));
  return config.is_fetch() ? save(config, results, (*program)->fetched()) : report(config, results);
}

}  // namespace
}  // namespace viaduct::load

int main(int argc, char** argv) {
  const viaduct::load::CommandLine line = viaduct::load::read_command_line(argc, argv);
  return line.config ? viaduct::load::run(*line.config) : line.exit_status;
}
