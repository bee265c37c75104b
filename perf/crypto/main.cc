// Benchmarks of crypto-offload; run by perf/bench.
#include <openssl/crypto.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "crypto-offload/packet_protector.h"
#include "perf/crypto/bare_cipher.h"
#include "perf/crypto/suites.h"
#include "perf/harness/report.h"

namespace viaduct::perf {
namespace {

int run(int argc, char** argv) {
  CLI::App app("Measures packet protection");
  std::string json;
  size_t turns = 15;
  std::vector<std::string> only;
  app.add_option("--json", json, "write the results to this file");
  app.add_option("--turns", turns, "how often each case is run")->check(CLI::Range(10, 1000));
  app.add_option("parts", only, "seal, open, classes, connections, masks, ids, handshakes (none: all)");
  CLI11_PARSE(app, argc, argv);

  const std::pair<const char*, std::vector<Row> (*)(size_t)> kParts[] = {{"seal", bench_seal},
                                                                         {"open", bench_open},
                                                                         {"classes", bench_classes},
                                                                         {"connections", bench_many_connections},
                                                                         {"masks", bench_header_masks},
                                                                         {"ids", bench_connection_ids},
                                                                         {"handshakes", bench_handshakes}};
  std::vector<Row> rows;
  for (const auto& [name, bench] : kParts) {
    if (!only.empty() && std::find(only.begin(), only.end(), name) == only.end()) continue;
    std::vector<Row> part = bench(turns);
    print_table(part);
    std::fflush(stdout);
    rows.insert(rows.end(), part.begin(), part.end());
  }
  auto machine = describe_machine();
  machine["openssl"] = OpenSSL_version(OPENSSL_VERSION_STRING);
  machine["ipsec-mb"] = BareCipher::version();
  machine["provider"] = crypto::make_protector()->name();
  return json.empty() || write_json(json, machine, rows) ? 0 : 1;
}

}  // namespace
}  // namespace viaduct::perf

int main(int argc, char** argv) try { return viaduct::perf::run(argc, argv); } catch (const std::exception& error) {
  std::fprintf(stderr, "bench-crypto: %s\n", error.what());
  return 1;
}
