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
/// ? sh -c '(locale -a; LANG in /etc/default/locale or /etc/locale.conf; /usr/share/i18n/SUPPORTED)' sh
/// = has C
/// = has C.utf8
/// = has POSIX
/// = file /etc/default/locale
/// = lang C.UTF-8
/// = gen
/// = known de_DE.UTF-8 UTF-8
/// = known de_DE ISO-8859-1
/// ! sh -c 'f=/etc/locale.gen; l="$1 $2"; touch $f && sed -i "s/^# *$l *\$/$l/" $f && { grep -qx "$l" $f || echo "$l" >>$f; } && exec locale-gen' sh de_DE.UTF-8 UTF-8
/// ! sh -c 'if grep -q ^LANG= "$2" 2>/dev/null; then t=$(sed "s/^LANG=.*/LANG=$1/" "$2"); else t=$(echo "LANG=$1"; cat "$2" 2>/dev/null); fi; printf "%s\n" "$t" >"$2"' sh de_DE.UTF-8 /etc/default/locale
/// ? sh -c '(locale -a; LANG in /etc/default/locale or /etc/locale.conf; /usr/share/i18n/SUPPORTED)' sh
/// = has C
/// = has C.utf8
/// = has de_DE.utf8
/// = has POSIX
/// = file /etc/default/locale
/// = lang de_DE.UTF-8
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocaleState {
    available: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
}

const GIST: &str = "locale -a; LANG in /etc/default/locale or /etc/locale.conf; /usr/share/i18n/SUPPORTED";
const ASKED: &str = r#"locale -a 2>/dev/null | sed "s/^/has /"; f=/etc/default/locale; if [ ! -e $f ] && { [ ! -e /etc/debian_version ] || [ -e /etc/locale.conf ]; }; then f=/etc/locale.conf; fi; echo "file $f"; sed -n "s/^LANG=/lang /p" $f 2>/dev/null; ! command -v locale-gen >/dev/null || echo gen; ! command -v dnf >/dev/null || echo dnf; sed "s/^/known /" /usr/share/i18n/SUPPORTED 2>/dev/null; true"#;

const MAKE: &str = r#"f=/etc/locale.gen; l="$1 $2"; touch $f && sed -i "s/^# *$l *\$/$l/" $f && { grep -qx "$l" $f || echo "$l" >>$f; } && exec locale-gen"#;
const UNMAKE: &str = r#"sed -i "s/^$1 *\(.*\)\$/# $1 \1/" /etc/locale.gen && exec locale-gen"#;
/// Written into the file, which may be a link or mounted.
const LANG: &str = r#"if grep -q ^LANG= "$2" 2>/dev/null; then t=$(sed "s/^LANG=.*/LANG=$1/" "$2"); else t=$(echo "LANG=$1"; cat "$2" 2>/dev/null); fi; printf "%s\n" "$t" >"$2""#;
const UNLANG: &str = r#"t=$(sed "/^LANG=/d" "$1") && if [ -n "$t" ]; then printf "%s\n" "$t"; fi >"$1""#;

/// Names that mean the same: `de_DE.UTF-8` is `de_DE.utf8` to `locale -a`.
fn plain(name: &str) -> String {
    let (base, rest) = name.split_once('.').unwrap_or((name, ""));
    let (charset, modifier) = rest.split_once('@').unwrap_or((rest, ""));
    format!("{base}.{}@{modifier}", charset.to_lowercase().replace('-', ""))
}

impl Locale {
    fn made(&self, name: &str) -> Result<Step> {
        let known = self.offer.known.iter().find(|(known, _)| plain(known) == plain(name));
        let command = match known {
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
            _ => bail!("nothing here can make the locale {name}"; hint: "apt::installed(\"locales\") brings locale-gen"),
        };
        Ok(command.long().into())
    }

    fn unmade(&self, name: &str) -> Result<Step> {
        let known = self.offer.known.iter().find(|(known, _)| plain(known) == plain(name));
        let command = match known {
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
        let text = host.text(&Command::gist(GIST, ASKED)).await?;
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
        let text = host.text(&Command::gist(GIST, ASKED)).await?;
        let has: Vec<String> = text.lines().filter_map(|line| line.strip_prefix("has ")).map(plain).collect();
        let lang = text.lines().find_map(|line| line.strip_prefix("lang "));
        let lang = lang.map(|lang| lang.trim_matches(['"', '\'', ' ']).to_owned());
        let names = self.name.as_slice().iter();
        Ok(LocaleState {
            available: names.map(|name| (name.clone(), has.contains(&plain(name)))).collect(),
            default: lang.filter(|_| self.default),
        })
    }
    fn want(&self, now: &LocaleState) -> Result<LocaleState> {
        for (name, _) in now.available.iter().filter(|(_, there)| **there != self.present) {
            if self.present { self.made(name)? } else { self.unmade(name)? };
        }
        let wanted = self.name.as_slice().first().filter(|_| self.default);
        // `C.utf8` and `C.UTF-8` are the same default.
        let kept = now.default.clone().filter(|lang| wanted.is_some_and(|wanted| plain(lang) == plain(wanted)));
        Ok(LocaleState {
            available: now.available.keys().map(|name| (name.clone(), self.present)).collect(),
            default: kept.or(wanted.cloned()),
        })
    }
    fn steps(&self, now: &LocaleState, want: &LocaleState) -> Result<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        for (name, there) in want.available.iter().filter(|(name, there)| now.available.get(*name) != Some(*there)) {
            steps.push(if *there { self.made(name)? } else { self.unmade(name)? });
        }
        if now.default != want.default {
            let step = match &want.default {
                Some(lang) => Command::sh(LANG).args([lang, &self.offer.file]),
                None => Command::sh(UNLANG).arg(&self.offer.file),
            };
            // A default that must go, goes before its locale does.
            let at = if want.default.is_none() { 0 } else { steps.len() };
            steps.insert(at, step.into());
        }
        Ok(steps)
    }
}
