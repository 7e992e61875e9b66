//! `system::locale`.

use crate::bail;
use crate::contract::{Command, Error, Look, Operation, Result, Step, nearest};
use crate::shared::Many;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Make sure programs can speak a language, and with `default`, that they do.
///
/// On Debian and Arch the locale is uncommented in `/etc/locale.gen` and made by `locale-gen`; on Fedora and its kin
/// it comes with its glibc-langpack. The default is `LANG` in `/etc/default/locale` or `/etc/locale.conf`.
///
/// ```rhai
/// system::locale("de_DE.UTF-8", #{ default: true });
/// ```
/// ```transcript
/// ? sh -c '(locale -a; /etc/default/locale or /etc/locale.conf; /etc/locale.gen; /usr/share/i18n/SUPPORTED)' sh de_DE.UTF-8
/// = has C
/// = has C.utf8
/// = has POSIX
/// = file /etc/default/locale
/// = exists
/// = lang C.UTF-8
/// = line # de_DE.UTF-8 UTF-8
/// = gen
/// = known de_DE.UTF-8 UTF-8
/// = known de_DE ISO-8859-1
/// ! sh -c 'f=/etc/locale.gen; l="$1 $2"; touch $f && sed -i "s/^# *$l *\$/$l/" $f && { grep -qx "$l" $f || echo "$l" >>$f; } && exec locale-gen' sh de_DE.UTF-8 UTF-8
/// ! sh -c 'if grep -q ^LANG= "$2" 2>/dev/null; then t=$(sed "s/^LANG=.*/LANG=$1/" "$2"); else t=$(echo "LANG=$1"; cat "$2" 2>/dev/null); fi; printf "%s\n" "$t" >"$2"' sh de_DE.UTF-8 /etc/default/locale
/// ? sh -c '(locale -a; /etc/default/locale or /etc/locale.conf; /etc/locale.gen; /usr/share/i18n/SUPPORTED)' sh de_DE.UTF-8
/// = has C
/// = has C.utf8
/// = has de_DE.utf8
/// = has POSIX
/// = file /etc/default/locale
/// = exists
/// = lang de_DE.UTF-8
/// = line de_DE.UTF-8 UTF-8
/// = gen
/// = known de_DE.UTF-8 UTF-8
/// = known de_DE ISO-8859-1
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Locale {
    /// The locale, such as `de_DE.UTF-8`, or a list of them.
    pub name: Many<String>,
    /// Make it (of several, the first) the default of the machine.
    #[serde(default)]
    pub default: bool,
    /// Whether it should be there.
    #[serde(default = "yes")]
    pub present: bool,
    /// What the machine offers.
    #[serde(skip)]
    offer: Offer,
    /// Whether it goes back to what was.
    #[serde(skip)]
    back: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default)]
struct Offer {
    /// Where the default is written.
    file: String,
    /// Whether `locale-gen` makes locales here.
    generates: bool,
    /// Whether packages bring them.
    dnf: bool,
    /// The locales that can be made, with their charsets.
    known: Vec<(String, String)>,
}

/// The locales asked for, and the default if that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocaleState {
    available: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    /// Their lines in `/etc/locale.gen`, to the letter.
    #[serde(rename = "$$lines", default, skip_serializing_if = "BTreeMap::is_empty")]
    lines: BTreeMap<String, String>,
    /// The line of the default, to the letter, and whether there is a file that it could be in.
    #[serde(rename = "$$lang", default, skip_serializing_if = "Option::is_none")]
    lang: Option<(String, bool)>,
}

const GIST: &str = "locale -a; /etc/default/locale or /etc/locale.conf; /etc/locale.gen; /usr/share/i18n/SUPPORTED";
const ASKED: &str = r#"locale -a 2>/dev/null | sed "s/^/has /"; f=/etc/default/locale; if [ ! -e $f ] && { [ ! -e /etc/debian_version ] || [ -e /etc/locale.conf ]; }; then f=/etc/locale.conf; fi; echo "file $f"; [ ! -e $f ] || echo exists; sed -n "s/^LANG=/lang /p" $f 2>/dev/null; for n; do sed -n "s/^# *${n%%[.@]*}[.@ ]/line &/p; s/^${n%%[.@]*}[.@ ]/line &/p" /etc/locale.gen 2>/dev/null; done; ! command -v locale-gen >/dev/null || echo gen; ! command -v dnf >/dev/null || echo dnf; sed "s/^/known /" /usr/share/i18n/SUPPORTED 2>/dev/null; true"#;

const MAKE: &str = r#"f=/etc/locale.gen; l="$1 $2"; touch $f && sed -i "s/^# *$l *\$/$l/" $f && { grep -qx "$l" $f || echo "$l" >>$f; } && exec locale-gen"#;
const UNMAKE: &str = r#"sed -i "s/^$1 *\(.*\)\$/# $1 \1/" /etc/locale.gen && exec locale-gen"#;
/// Written into the file, which may be a link or mounted.
const LANG: &str = r#"if grep -q ^LANG= "$2" 2>/dev/null; then t=$(sed "s/^LANG=.*/LANG=$1/" "$2"); else t=$(echo "LANG=$1"; cat "$2" 2>/dev/null); fi; printf "%s\n" "$t" >"$2""#;
const UNLANG: &str = r#"t=$(sed "/^LANG=/d" "$1") && if [ -n "$t" ]; then printf "%s\n" "$t"; fi >"$1""#;

/// `LINE OLD`: the line is as it was, or gone, whether it is commented out or not.
const LINE: &str = r##"f=/etc/locale.gen; awk -v l="$1" -v o="$2" '{ s = $0; sub(/^# */, "", s); sub(/ *$/, "", s) } s == l && !d { d = 1; if (o != "") print o; next } { print } END { if (!d && o != "") print o }' $f >$f.new && cat $f.new >$f && rm $f.new && exec locale-gen"##;

/// Names that mean the same: `de_DE.UTF-8` is `de_DE.utf8` to `locale -a`.
fn plain(name: &str) -> String {
    let (base, rest) = name.split_once('.').unwrap_or((name, ""));
    let (charset, modifier) = rest.split_once('@').unwrap_or((rest, ""));
    format!("{base}.{}@{modifier}", charset.to_lowercase().replace('-', ""))
}

impl Locale {
    fn made(&self, name: &str) -> Result<Step> {
        let command = match self.known(name) {
            Some((name, charset)) if self.offer.generates => Command::sh(MAKE).args([name, charset]),
            None if self.offer.generates => {
                let error = Error::host(format!("there is no locale `{name}`"));
                let names = self.offer.known.iter().map(|(name, _)| name.as_str());
                return Err(match nearest(name, names) {
                    Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                    None => error.hint("/usr/share/i18n/SUPPORTED lists them"),
                });
            }
            _ if self.offer.dnf => Command::new("dnf").args(["-y", "install", &langpack(name)]),
            _ => {
                bail!("nothing here can make the locale {name}"; hint: "apt::installed(\"locales\") brings locale-gen")
            }
        };
        Ok(command.long().into())
    }

    /// Puts the line of a locale back as it was, where lines make locales.
    fn put_back(&self, name: &str, want: &LocaleState) -> Option<Step> {
        let (known, charset) = self.known(name).filter(|_| self.back && self.offer.generates)?;
        let old = want.lines.get(name).map(String::as_str).unwrap_or_default();
        Some(Command::sh(LINE).args([&format!("{known} {charset}"), old]).long().into())
    }

    fn known(&self, name: &str) -> Option<&(String, String)> {
        self.offer.known.iter().find(|(known, _)| plain(known) == plain(name))
    }

    async fn ask(&self, host: &dyn Look) -> Result<String> {
        host.text(&Command::gist(GIST, ASKED).args(self.name.as_slice().iter().cloned())).await
    }

    fn unmade(&self, name: &str) -> Result<Step> {
        let command = match self.known(name) {
            Some((name, _)) if self.offer.generates => Command::sh(UNMAKE).arg(name),
            _ if self.offer.dnf => Command::new("dnf").args(["-y", "remove", &langpack(name)]),
            _ => bail!("the locale {name} belongs to the system and cannot be taken away"),
        };
        Ok(command.long().into())
    }
}

fn langpack(name: &str) -> String {
    format!("glibc-langpack-{}", name.split(['_', '.', '@']).next().unwrap_or_default())
}

impl Operation for Locale {
    type State = LocaleState;

    async fn prepare(&mut self, host: &dyn Look) -> Result<()> {
        for name in self.name.as_slice() {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.@-".contains(c);
            if name.is_empty() || name.starts_with('-') || !name.chars().all(fits) {
                bail!(playbook: "`{name}` is no locale"; hint: "write it as \"de_DE.UTF-8\"");
            }
        }
        if self.name.as_slice().is_empty() || self.default && !self.present {
            bail!(playbook: "system::locale: `default` needs a locale that is there");
        }
        let text = self.ask(host).await?;
        let said = |mark: &str| text.lines().filter_map(|line| line.strip_prefix(mark)).collect::<Vec<_>>();
        let known = said("known ").into_iter().filter_map(|line| line.split_once(' '));
        self.offer = Offer {
            file: said("file ").concat(),
            generates: text.lines().any(|line| line == "gen"),
            dnf: text.lines().any(|line| line == "dnf"),
            known: known.map(|(name, charset)| (name.to_owned(), charset.trim().to_owned())).collect(),
        };
        Ok(())
    }
    async fn read(&self, host: &dyn Look) -> Result<LocaleState> {
        let text = self.ask(host).await?;
        let has: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("has ")).map(plain).collect();
        let lang = text.lines().find_map(|line| line.strip_prefix("lang "));
        let raw = (lang.unwrap_or_default().to_owned(), text.lines().any(|line| line == "exists"));
        let lang = lang.map(|lang| lang.trim_matches(['"', '\'', ' ']).to_owned());
        let line_of = |name: &str| {
            let of =
                |line: &&str| line.trim_start_matches(['#', ' ']).split(' ').next().map(plain) == Some(plain(name));
            text.lines().filter_map(|line| line.strip_prefix("line ")).find(of).map(str::to_owned)
        };
        let names = self.name.as_slice().iter();
        Ok(LocaleState {
            lines: names.clone().filter_map(|name| Some((name.clone(), line_of(name)?))).collect(),
            available: names.map(|name| (name.clone(), has.contains(&plain(name)))).collect(),
            default: lang.filter(|_| self.default),
            lang: self.default.then_some(raw),
        })
    }
    fn want(&self, now: &LocaleState) -> Result<LocaleState> {
        for (name, _) in now.available.iter().filter(|(_, there)| **there != self.present) {
            if self.present {
                self.made(name)?
            } else {
                self.unmade(name)?
            };
        }
        let wanted = self.name.as_slice().first().filter(|_| self.default);
        // `C.utf8` and `C.UTF-8` are the same default.
        let kept = now.default.clone().filter(|lang| wanted.is_some_and(|wanted| plain(lang) == plain(wanted)));
        Ok(LocaleState {
            available: now.available.keys().map(|name| (name.clone(), self.present)).collect(),
            default: kept.or(wanted.cloned()),
            ..LocaleState::default()
        })
    }
    async fn recall(&mut self, host: &dyn Look, before: LocaleState, _after: &LocaleState) -> Result<LocaleState> {
        self.back = true;
        self.prepare(host).await?;
        Ok(before)
    }
    fn steps(&self, now: &LocaleState, want: &LocaleState) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        for (name, there) in want.available.iter().filter(|(name, there)| now.available.get(*name) != Some(*there)) {
            steps.push(match self.put_back(name, want) {
                Some(step) => step,
                None if *there => self.made(name)?,
                None => self.unmade(name)?,
            });
        }
        if now.default != want.default {
            let file = &self.offer.file;
            let step = match (&want.default, &want.lang) {
                (_, Some((raw, _))) if !raw.is_empty() => Command::sh(LANG).args([raw, file]),
                (Some(lang), _) => Command::sh(LANG).args([lang, file]),
                (None, Some((_, false))) => Command::new("rm").args(["-f", "--", file]),
                (None, _) => Command::sh(UNLANG).arg(file),
            };
            // A default that must go, goes before its locale does.
            let at = if want.default.is_none() { 0 } else { steps.len() };
            steps.insert(at, step.into());
        }
        Ok(steps)
    }
}
