//! The results as comma-separated values: a line for each cell, the names of the columns in the first.

use serde::Serialize;
use serde_json::Value;

use super::results::Results;

const HEAD: &str = "workload,size_bytes,placement,transport,clients,op_ns,op_ns_min,op_ns_max,per_second,\
                    ratio_to_seqpacket,p50_ns,p99_ns,p99_9_ns,pairs,think_us,interval_us,server_percent,\
                    client_percent\n";

/// No value holds a comma or a quote: they are numbers, and words of ours.
pub(super) fn text(results: &Results) -> String {
    let mut text = HEAD.to_owned();
    for cell in results.cells() {
        let spread = results.spread(cell);
        let percentiles = results.percentiles(cell);
        let processor = results.processor_percent(cell);
        let load = cell.task.load;
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        let values = [
            word(cell.task.workload),
            cell.task.size_bytes.to_string(),
            word(cell.placement),
            word(cell.kind),
            results.plan.clients.to_string(),
            number(Some(spread.median)),
            number(Some(spread.min)),
            number(Some(spread.max)),
            number(Some(results.per_second(cell))),
            results
                .ratio(cell)
                .map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            number(percentiles.map(|percentiles| percentiles.p50_ns)),
            number(percentiles.map(|percentiles| percentiles.p99_ns)),
            number(percentiles.map(|percentiles| percentiles.p99_9_ns)),
            load.pairs().to_string(),
            load.think_us().to_string(),
            load.interval_us().to_string(),
            number(processor.map(|[server, _]| server)),
            number(processor.map(|[_, client]| client)),
        ];
        text.push_str(&values.join(","));
        text.push('\n');
    }
    text
}

/// The word that the JSON has for it.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
