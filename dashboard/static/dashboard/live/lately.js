// How many of something there were in the last hour, by the minute: on a page that stays open, too.

const MINUTES = 60;

export class LastHour {
  // `counted`: [[minute since 1970, how many], ...]
  constructor(counted = []) {
    this.minutes = new Map(counted);
  }

  // `at`: Unix seconds.
  add(at) {
    const minute = Math.floor(at / 60);
    this.minutes.set(minute, (this.minutes.get(minute) || 0) + 1);
  }

  count(now) {
    const first = Math.floor(now / 60) - MINUTES;
    let sum = 0;
    for (const [minute, number] of this.minutes) {
      if (minute >= first) sum += number;
      else this.minutes.delete(minute);
    }
    return sum;
  }
}
