// Reads PromQL expressions, as JSON, and prints what Prometheus's own grammar finds in each: errors, metrics and labels.

import { parser } from "@prometheus-io/lezer-promql";
import { readFileSync } from "node:fs";

function parse(text) {
  const found = { errors: [], metrics: [], labels: [] };
  parser.parse(text).iterate({
    enter(node) {
      const part = text.slice(node.from, node.to);
      if (node.type.isError) found.errors.push(`at ${node.from}: ${part}`);
      if (node.name === "Identifier" && node.node.parent?.name === "VectorSelector") found.metrics.push(part);
      if (node.name === "LabelName") found.labels.push(part);
    },
  });
  return found;
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(parse)));
