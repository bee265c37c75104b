// A link's faults as words: "rate=10M,delay=15ms,queue=25,loss=2%".
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "tests/simulation/link.h"

namespace viaduct::impair {

// Words separated by commas, each once; empty text is a link without faults. The error names the word and says what
// was expected.
std::expected<sim::LinkConfig, std::string> parse_link(std::string_view text);

// One line for each word, for --help.
std::string link_help();

}  // namespace viaduct::impair
