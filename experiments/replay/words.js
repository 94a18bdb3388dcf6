// Numbers, times and reasons in words.

function money(value) {
  const size = Math.abs(value);
  for (const [scale, unit] of [[1e9, "B$"], [1e6, "M$"], [1e3, "k$"]]) if (size >= scale) return `${figures(value / scale)} ${unit}`;
  return `${figures(value)} $`;
}
function figures(value) {
  if (!isFinite(value)) return "-";
  const size = Math.abs(value);
  return value.toLocaleString("en", {maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 5});
}
function priceText(value) {
  if (!isFinite(value) || !value) return "-";
  return value.toLocaleString("en", {maximumSignificantDigits: 7});
}
// A price that the file keeps to a ten-thousandth of the mark.
const roughly = value => isFinite(value) && value ? value.toLocaleString("en", {maximumSignificantDigits: 5}) : "-";
const percent = share => `${(100 * share).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`;
function clockText(run, t, seconds = true) {
  return new Date((run.start + t) * 1000).toISOString().slice(11, seconds ? 19 : 16);
}
const whole = share => `${Math.round(100 * share)} %`;  // shares of causes: the file keeps them to 0.4 %
const listed = pairs => pairs.map(([word, share]) => `${word} ${whole(share)}`).join(", ");

// One event in a sentence; `mine`: the owner whose story it is.
function told(run, k, mine = -2) {
  const a = run.a, kind = run.kinds[a.e_kind[k]], book = a.e_book[k], venue = a.e_venue[k];
  const who = run.who(a.e_owner[k]), other = run.who(a.e_other_owner[k]);
  const where = book >= 0 ? run.books[book] : venue >= 0 ? run.venues[venue] : "";
  const coin = book >= 0 ? run.coinOf(book) : "";
  const side = a.e_side[k] > 0 ? "long" : a.e_side[k] < 0 ? "short" : "position";
  const turned = a.e_side[k] > 0 ? "short" : "long";
  const size = `${figures(a.e_quantity[k])} ${coin} (${money(a.e_value[k])})`;
  const at = a.e_price[k] ? ` at ${priceText(a.e_price[k])}` : "";
  const how = run.stages[a.e_stage[k]] || "";
  switch (kind) {
    case "liquidation":
      return a.e_value[k] > 0 ? `${who}: ${size} of its ${side} in ${where} liquidated${at}${how ? ", " + how : ""}; mark ${priceText(a.e_mark[k])}`
        : `${who}: the order to liquidate its ${side} in ${where} found nobody at its price; mark ${priceText(a.e_mark[k])}`;
    case "takeover": return `${who}: ${size} of its ${side} in ${where} taken over by ${other}${at}; mark ${priceText(a.e_mark[k])}`;
    case "adl":
      return mine === a.e_other_owner[k] ? `${other}, in profit: ${size} of its ${turned} in ${where} closed by auto-deleveraging${at}, because ${who} could not be liquidated`
        : `${who}: ${size} of its ${side} in ${where} closed${at} against ${other ? other + ", a winner" : "several small winners"}`;
    case "bankruptcy": return `${who} is bankrupt at ${where}`;
    case "deficit": return `${who} owes ${money(a.e_value[k])} that it does not have; ${other || "the venue"} pays`;
    case "transfer_sent": return `${who || other} sends ${money(a.e_value[k])}${where ? " from " + where : ""}`;
    case "transfer_arrived": return `${who || other}: ${money(a.e_value[k])} arrive${where ? " at " + where : ""}`;
    case "transfer_returned": return `${who || other}: ${money(a.e_value[k])} come back`;
    case "conversion": return `${who}: collateral worth ${money(a.e_value[k])} sold ${book >= 0 ? "in" : "by"} ${where}`;
    case "news": return "the news";
    case "absorption": return `${who}: ${size} of its ${side} in ${where} absorbed at mark, as asked`;
    default: return `${kind.replaceAll("_", " ")}${where ? " at " + where : ""}${who ? ": " + who : ""}`;
  }
}

// Why an event came about, in a sentence; empty where the run does not tell.
function why(run, k) {
  const failure = run.a.e_failure[k];
  if (failure < 0) return "";
  return `its mark was moved by: ${listed(run.shares(failure, "f_direct").slice(0, 4))}`;
}
