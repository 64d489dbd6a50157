// Numbers and moments for people.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** "1.5 MB" */
export function bytes(count) {
  let [value, unit] = [count, 0];
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** The two largest units: "23 h 59 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}

/** Of a moment as the model has it. */
export function until(moment) {
  return (Date.parse(moment) - Date.now()) / 1000;
}

/** By the clock on the wall of whoever looks. */
export function clockTime(moment) {
  const at = new Date(moment);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? at.toLocaleTimeString() : at.toLocaleString();
}

/** "65,535" */
export function number(count) {
  return count.toLocaleString("en");
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** "0.42 ms" */
export function milliseconds(seconds) {
  const value = seconds * 1000;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}
