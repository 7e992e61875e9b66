//! Variables that mean something to Ansible or hlrun, and the ones that look like them: a mistyped
//! `ansible_hots` would otherwise do nothing, in silence.

use super::model::{Data, Definition};
use std::collections::BTreeSet;
use stdlib::contract::Error;

/// What follows `ansible_` in the names that mean something: of connections, of privilege, of Ansible itself.
const KNOWN: &str = "
    host port user password connection shell_type shell_executable python_interpreter ruby_interpreter
    perl_interpreter interpreter_python remote_tmp remote_tmp_dir async_dir timeout pipelining host_key_checking
    private_key_file executable group_priority managed scp_if_ssh scp_extra_args scp_executable sftp_extra_args
    sftp_executable sftp_batch_mode ssh_host ssh_port ssh_user ssh_pass ssh_password ssh_private_key_file
    ssh_common_args ssh_extra_args ssh_args ssh_executable ssh_pipelining ssh_retries ssh_timeout
    ssh_transfer_method ssh_host_key_checking ssh_use_tty ssh_reconnection_retries ssh_password_mechanism
    ssh_pkcs11_provider ssh_verbosity ssh_agent control_path control_path_dir paramiko_host_key_checking
    paramiko_pty paramiko_proxy_command become become_user become_method become_pass become_password become_exe
    become_flags become_timeout sudo sudo_user sudo_pass sudo_password sudo_exe sudo_flags sudo_chdir su su_user
    su_pass su_exe su_flags doas_user doas_pass doas_exe doas_flags docker_extra_args docker_host docker_user
    podman_extra_args lxc_host lxd_host jail_host jail_user network_os network_cli_ssh_type command_timeout
    connect_timeout persistent_command_timeout persistent_connect_timeout httpapi_port httpapi_use_ssl
    httpapi_validate_certs httpapi_pass winrm_transport winrm_scheme winrm_path winrm_port winrm_user winrm_pass
    winrm_server_cert_validation winrm_message_encryption winrm_operation_timeout_sec winrm_read_timeout_sec
    psrp_protocol psrp_auth psrp_cert_validation aws_ssm_bucket_name aws_ssm_region proxmox_host remote_addr
    remote_user no_log diff_mode check_mode verbosity version config_file playbook_python collection_name
    role_name role_names parent_role_names parent_role_paths play_name play_hosts play_batch play_hosts_all
    play_role_names dependent_role_names limit run_tags skip_tags search_path loop loop_var index_var
    inventory_sources forks local facts hostname fqdn domain nodename system kernel kernel_version architecture
    machine machine_id userspace_architecture userspace_bits distribution distribution_version
    distribution_major_version distribution_release distribution_file_path distribution_file_variety
    distribution_file_parsed os_family lsb pkg_mgr service_mgr default_ipv4 default_ipv6 all_ipv4_addresses
    all_ipv6_addresses interfaces dns processor processor_cores processor_count processor_nproc
    processor_threads_per_core processor_vcpus memtotal_mb memfree_mb memory_mb swaptotal_mb swapfree_mb mounts
    devices device_links lvm bios_date bios_version bios_vendor board_name board_vendor board_serial
    board_version board_asset_tag chassis_vendor chassis_version form_factor product_name product_serial
    product_uuid product_version system_vendor virtualization_role virtualization_type virtualization_tech_guest
    virtualization_tech_host selinux apparmor fips date_time uptime_seconds loadavg env cmdline proc_cmdline
    user_id user_uid user_gid user_gecos user_dir user_shell real_user_id effective_user_id real_group_id
    effective_group_id python_version ssh_host_key_rsa_public ssh_host_key_ed25519_public
    ssh_host_key_ecdsa_public is_chroot iscsi_iqn hostnqn fibre_channel_wwn system_capabilities
    system_capabilities_enforced lo eth0 eth1 en0 wlan0 docker0 br0";

/// Names that people take for one that exists.
const MEANT: &[(&str, &str)] = &[
    ("username", "user"),
    ("login", "user"),
    ("ip", "host"),
    ("address", "host"),
    ("addr", "host"),
    ("host_name", "host"),
    ("hostip", "host"),
    ("ssh_key", "ssh_private_key_file"),
    ("ssh_key_file", "ssh_private_key_file"),
    ("key_file", "ssh_private_key_file"),
    ("private_key", "ssh_private_key_file"),
    ("ssh_private_key", "ssh_private_key_file"),
    ("identity_file", "ssh_private_key_file"),
    ("become_username", "become_user"),
    ("become_passwd", "become_password"),
    ("python", "python_interpreter"),
    ("interpreter", "python_interpreter"),
    ("ssh_options", "ssh_common_args"),
    ("ssh_opts", "ssh_common_args"),
];

/// The name that was meant, if this one means nothing and is near to one that does.
fn meant(name: &str) -> Option<String> {
    let rest = name.strip_prefix("ansible_")?;
    let full = |rest: &str| format!("ansible_{rest}");
    if let Some((_, meant)) = MEANT.iter().find(|(wrong, _)| *wrong == rest) {
        return Some(full(meant));
    }
    let known = || KNOWN.split_whitespace();
    if known().any(|known| known == rest) || rest.ends_with("_interpreter") {
        return None;
    }
    let limit = if rest.chars().count() < 6 { 1 } else { 2 };
    let near = known().map(|known| (strsim::osa_distance(rest, known), known));
    near.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, known)| full(known))
}

/// A warning for each mistyped name, at the first place it stands.
pub(super) fn find(data: &Data) -> Vec<Error> {
    let files = data.groups.values().map(|group| &group.vars).chain(data.hosts.values().map(|host| &host.vars));
    let beside = data.dirs.iter().flat_map(|dir| dir.groups.values().chain(dir.hosts.values()));
    let mut all: Vec<&Definition> = files.chain(beside).chain([&data.extra]).flatten().collect();
    all.sort_by_key(|found| (&found.site.file, found.site.line, found.site.column));
    let mut seen = BTreeSet::new();
    let wrong = |found: &&Definition| Some((meant(&found.name)?, found.site.clone(), found.name.clone()));
    let fresh = all.iter().filter_map(wrong).filter(|(_, _, name)| seen.insert(name.clone()));
    let warn = |(meant, site, name): (String, _, _)| {
        Error::playbook(format!("nothing reads the variable `{name}`"))
            .hint(format!("did you mean `{meant}`?"))
            .at(site)
    };
    fresh.map(warn).collect()
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn only_what_is_near_to_a_known_name_is_mistyped() {
        for (name, want) in [
            ("ansible_hots", Some("ansible_host")),
            ("ansible_usr", Some("ansible_user")),
            ("ansible_becom", Some("ansible_become")),
            ("ansible_become_pasword", Some("ansible_become_password")),
            ("ansible_ssh_private_key", Some("ansible_ssh_private_key_file")),
            ("ansible_python_interpeter", Some("ansible_python_interpreter")),
            ("ansible_host", None),
            ("ansible_home", None),
            ("ansible_node_interpreter", None),
            ("ansible_my_own", None),
            ("hots", None),
        ] {
            assert_eq!(meant(name).as_deref(), want, "{name}");
        }
    }
}
